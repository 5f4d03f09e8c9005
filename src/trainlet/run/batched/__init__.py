"""Many experiments at once: the meaning of every operator in torch, batched over experiments.

A value has one more axis than its tensor, the first: `lead`, one entry for each experiment, or a
single one that all share (frozen constants, and what depends on nothing else).
"""

from trainlet.run.batched import (
    blocks,
    cast,
    conv,
    depthwise,
    direct,
    elementwise,
    exponents,
    fused,
    linear,
    loss,
    pool,
    real,
    shape,
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
    "fused",
    "linear",
    "loss",
    "pool",
    "real",
    "shape",
    "update",
]
