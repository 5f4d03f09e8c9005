"""Integers that stand in an .onnx file, and the scales of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.quantized_importer import Weight
from trainlet.frontends.quantized_layer import Result
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.quantized.fixed_point import f32

SHIFT = 128
"""A uint8 less this is an int8 of the same meaning, if the zero point is shifted too."""
UNITS = 1e-5
"""How far the scale of a bias may be from the product that it stands for: its file has float32."""


@dataclass(frozen=True)
class Stored:
    """Integers of the file, signed; one scale, or one for each slice along `axis`."""

    name: str
    array: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @property
    def activation(self) -> TensorType | None:
        """The type as what arithmetic reads; None for several scales."""
        if self.scale.size != 1 or self.array.dtype != np.int8:
            return None
        quant = Quant((f32(self.scale[0]),), (int(self.zero_point[0]),))
        return TensorType(self.array.shape, "int8", quant)

    def weight(self, axis: int) -> Weight:
        """As the weight of a layer whose output channels lie along an axis; raises
        UnsupportedError for zero points, and for scales along another axis."""
        if self.array.dtype != np.int8 or self.zero_point.any():
            raise UnsupportedError(
                f"the weight {self.name!r} is {self.array.dtype} with zero point "
                f"{int(self.zero_point.flat[0])}; allowed: int8 with 0, uint8 with 128"
            )
        rank, outputs = self.array.ndim, self.array.shape[axis]
        if self.scale.size not in (1, outputs) or (
            self.scale.size > 1 and self.axis % rank != axis
        ):
            raise UnsupportedError(
                f"the weight {self.name!r} has {self.scale.size} scales along axis {self.axis}; "
                f"allowed: one, or {outputs} along axis {axis}"
            )
        scale = np.broadcast_to(self.scale, outputs).copy()
        along = [-1 if k == axis else 1 for k in range(rank)]
        real = self.array * scale.astype(np.float64).reshape(along)
        return Weight(self.name, real, scale, SHIFT)

    def bias(self, units: np.ndarray) -> np.ndarray:
        """As a layer's bias: the integers times the units of its sums, or the real values where
        the file has another scale."""
        scale = self.scale.astype(np.float64)
        same = np.allclose(scale, units, rtol=UNITS, atol=0) and not self.zero_point.any()
        return self.array * units if same else (self.array - self.zero_point) * scale


def quantisation(scale: np.ndarray, zero_point: np.ndarray) -> Result:
    """How QuantizeLinear makes an activation."""
    scale, zero = checked_scale(scale), zero_point.reshape(-1)
    if scale.size != 1 or zero.size != 1:
        raise UnsupportedError(f"an activation with {scale.size} scales; allowed: one")
    return Result(f32(scale[0]), int(signed(zero, "an activation")[0]))


def checked_scale(scale: np.ndarray) -> np.ndarray:
    """One dimension of float32; raises FileError for what are no scales."""
    found = scale.astype(np.float32).reshape(-1)
    if not found.size or not (np.isfinite(found).all() and (found > 0).all()):
        raise FileError("a scale is not a positive number")
    return found


def signed(array: np.ndarray, what: str) -> np.ndarray:
    """int8 of the same meaning; raises UnsupportedError for other types than int8 and uint8."""
    if array.dtype == np.uint8:
        return (array.astype(np.int16) - SHIFT).astype(np.int8)
    if array.dtype != np.int8:
        raise UnsupportedError(f"{what} is quantised to {array.dtype}; allowed: int8, uint8")
    return array
