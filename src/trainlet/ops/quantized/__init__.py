"""Operators on integers: int8 tensors with a scale and a zero point, int32 biases."""

from trainlet.ops.quantized import update

__all__ = ["update"]
