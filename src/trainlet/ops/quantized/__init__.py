"""Operators on integers: int8 tensors with a scale and a zero point, int32 biases.

Forward, the arithmetic of TensorFlow Lite's reference kernels, bit for bit; backward, float32 or
(`gradient`) integers.
"""

from trainlet.ops.quantized import (
    cast,
    conv,
    conv_parts,
    conv_transpose,
    depthwise,
    elementwise,
    gather,
    interleave,
    leaky_relu,
    linear,
    linear_real,
    lookup,
    pair,
    pool,
    recurrent,
    resample,
    shape,
    softmax,
    update,
)
from trainlet.ops.quantized.gradient import direct

__all__ = [
    "cast",
    "conv",
    "conv_parts",
    "conv_transpose",
    "depthwise",
    "direct",
    "elementwise",
    "gather",
    "interleave",
    "leaky_relu",
    "linear",
    "linear_real",
    "lookup",
    "pair",
    "pool",
    "recurrent",
    "resample",
    "shape",
    "softmax",
    "update",
]
