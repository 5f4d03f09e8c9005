"""What each operator of a forward pass computes in real numbers, differentiable as often as needed.

An attacker searches with derivatives, and an integer network has none.  Here a value of an int8 or
int32 tensor is the real number that it stands for, and nothing is rounded.  Saturation stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from trainlet.backends.aten import elements, layers, sums  # noqa: F401  each fills the table
from trainlet.backends.aten.table import FORMS, computed, exact
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType

INTEGERS = ("int8", "int32")


def real_value(n: Node, *inputs: Tensor) -> Tensor:
    """The node's value of its inputs' values.

    Raises UnsupportedError for an operator on integers that has no entry here.
    """
    if n.op in REAL:
        made = REAL[n.op](n, *inputs)
        return saturated(n.type, made) if n.type.quant is not None else made
    if n.type.dtype == "int8" or any(i.type.dtype == "int8" for i in n.inputs):
        raise UnsupportedError(
            f"{n!r} cannot be attacked in real numbers; operators on integers that can: "
            f"{', '.join(sorted(REAL))}. Audit the float32 network"
        )
    return computed(n, *inputs)


def dequantized(type: TensorType, array: np.ndarray) -> np.ndarray:
    """The real numbers that a leaf's integers stand for, float32; indices stay."""
    if type.quant is None:
        return array
    scale, zero = _scale_and_zero(type)
    return ((array.astype(np.float64) - zero) * scale).astype(np.float32)


def nearest_integers(type: TensorType, array: np.ndarray) -> np.ndarray:
    """The integers of a leaf that stand for the nearest real numbers; float32 stays."""
    if type.quant is None:
        return array
    scale, zero = _scale_and_zero(type)
    held = np.iinfo(type.dtype)
    whole = np.rint(array.astype(np.float64) / scale) + zero
    return whole.clip(held.min, held.max).astype(type.dtype)


def _scale_and_zero(type: TensorType) -> tuple[np.ndarray, np.ndarray]:
    """Of each channel, along its axis."""
    assert type.quant is not None
    scale, zero = np.asarray(type.quant.scale), np.asarray(type.quant.zero_point)
    if type.quant.axis is None:
        return scale, zero
    along = [-1 if k == type.quant.axis else 1 for k in range(type.rank)]
    return scale.reshape(along), zero.reshape(along)


def saturated(type: TensorType, x: Tensor) -> Tensor:
    """Clamped to what an int8 map can hold."""
    assert type.quant is not None
    if type.dtype != "int8" or type.quant.axis is not None:
        return x
    scale, zero = type.quant.scale[0], type.quant.zero_point[0]
    return x.clamp((-128 - zero) * scale, (127 - zero) * scale)


def _clamped(n: Node, x: Tensor) -> Tensor:
    """Between the limits of a fused activation, which are integers of the result."""
    scale, zero = n.attrs["scale"], n.attrs["zero_point"]
    return x.clamp((n.attrs["low"] - zero) * scale, (n.attrs["high"] - zero) * scale)


def _layer(name: str) -> Callable[..., Tensor]:
    def run(n: Node, x: Tensor, w: Tensor, b: Tensor, *_: Tensor) -> Tensor:
        y = FORMS[name](n, x, w, b)
        return _clamped(n, y) if "low" in n.attrs else y

    return run


def _mean(n: Node, x: Tensor) -> Tensor:
    return x.mean(n.attrs["axes"], keepdim=n.attrs["keep"])


def _as_float(name: str, **attrs: Any) -> Callable[..., Tensor]:
    """The float32 operator with the same attributes, and these."""

    def run(n: Node, *x: Tensor) -> Tensor:
        return exact(Node(name, n.inputs, n.type, {**n.attrs, **attrs}), *x)

    return run


REAL: dict[str, Callable[..., Tensor]] = {
    "conv2d_i8": _layer("conv2d"),
    "depthwise_i8": _layer("depthwise"),
    "linear_i8": _layer("linear"),
    "linear_i8_f32": _layer("linear"),
    "add_i8": lambda n, a, b: _clamped(n, a + b),
    "sub_i8": lambda n, a, b: _clamped(n, a - b),
    "mul_i8": lambda n, a, b: _clamped(n, a * b),
    "mean_i8": lambda n, x: _clamped(n, _mean(n, x)),
    "avg_pool_i8": _as_float("avg_pool", count_padding=False),
    "max_pool_i8": _as_float("max_pool"),
    "quantize": lambda n, x: x,
    "dequantize": lambda n, x: x,
    "requantize_i8": lambda n, x: x,
    "reshape": lambda n, x: x.reshape(n.type.shape),
    "view": _as_float("view"),
    "permute": _as_float("permute"),
    "permute_i8": _as_float("permute"),
    "slice_i8": _as_float("slice"),
    "copy_i8": lambda n, x: x,
    "concat_i8": _as_float("concat"),
    "concat": _as_float("concat"),
}
"""Integer operators, and those that move values of any type."""
