"""Operators on integers: int8 tensors with a scale and a zero point, int32 biases.

Forward, the arithmetic of TensorFlow Lite's reference kernels, bit for bit; backward, float32.
"""

from trainlet.ops.quantized import (
    cast,
    conv,
    depthwise,
    elementwise,
    linear,
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
    "linear",
    "pool",
    "shape",
    "softmax",
    "update",
]
