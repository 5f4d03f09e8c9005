"""The catalogue of operators; importing it registers them all."""

from trainlet.ops import (
    activation,
    attention,
    clip,
    conv,
    depthwise,
    elementwise,
    fused,
    linear,
    loss,
    norm,
    penalty,
    pool,
    quantized,
    reduce,
    shape,
    update,
)

__all__ = [
    "activation",
    "attention",
    "clip",
    "conv",
    "depthwise",
    "elementwise",
    "fused",
    "linear",
    "loss",
    "norm",
    "penalty",
    "pool",
    "quantized",
    "reduce",
    "shape",
    "update",
]
