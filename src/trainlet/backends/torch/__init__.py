"""What every operator computes, in torch, for many experiments at once.

A value has one more axis than its tensor, the first, written E in shapes: an entry for each
experiment, or a single one that all share (frozen constants, and what depends on nothing else).
The simulation runs the operators one by one; a compiler can trace them.
"""

from trainlet.backends.torch import (
    blocks,
    cast,
    conv,
    depthwise,
    direct,
    elementwise,
    exponents,
    formula,
    fused,
    gather,
    linear,
    loss,
    pair,
    pool,
    real,
    recurrent,
    repeat,
    resample,
    shape,
    spectrum,
    update,
)

__all__ = [
    "blocks",
    "cast",
    "conv",
    "depthwise",
    "direct",
    "elementwise",
    "exponents",
    "formula",
    "fused",
    "gather",
    "linear",
    "loss",
    "pair",
    "pool",
    "real",
    "recurrent",
    "repeat",
    "resample",
    "shape",
    "spectrum",
    "update",
]
