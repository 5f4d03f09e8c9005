"""The catalogue of operators; importing it registers them all."""

from trainlet.ops import (
    activation,
    attention,
    conv,
    depthwise,
    elementwise,
    fused,
    linear,
    loss,
    norm,
    pool,
    quantized,
    reduce,
    shape,
    update,
)

__all__ = [
    "activation",
    "attention",
    "conv",
    "depthwise",
    "elementwise",
    "fused",
    "linear",
    "loss",
    "norm",
    "pool",
    "quantized",
    "reduce",
    "shape",
    "update",
]
