"""Operators on integers: int8 tensors with a scale and a zero point, int32 biases.

Forward, the arithmetic of TensorFlow Lite's reference kernels, bit for bit; backward, float32 or
(`gradient`) integers.
"""

from trainlet.ops.quantized import (
    cast,
    conv,
    depthwise,
    elementwise,
    gradient,
    linear,
    lookup,
    pool,
    shape,
    softmax,
    update,
)

__all__ = [
    "cast",
    "conv",
    "depthwise",
    "elementwise",
    "gradient",
    "linear",
    "lookup",
    "pool",
    "shape",
    "softmax",
    "update",
]
