"""A quantised layer as nodes, assembled in one way for every front end.

A front end says what a file or a network holds: the shape and the scales of the weight, how the
result is quantised, and how it makes its leaves.  What follows from these is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, build
from trainlet.ops.quantized.fixed_point import requantization
from trainlet.ops.quantized.types import HIGHEST, LOWEST, affine

Parameter = Callable[[TensorType], Node]


@dataclass(frozen=True)
class Result:
    """Scale and zero point of an int8 result, and the integers that it is clamped between."""

    scale: float
    zero_point: int
    low: int = LOWEST
    high: int = HIGHEST

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of an int8 operator with this result."""
        return asdict(self)


def quantized_layer(
    op: str,
    x: Node,
    shape: tuple[int, ...],
    scales: np.ndarray,
    result: Result,
    *,
    weight: Parameter,
    bias: Parameter,
    requantization: Callable[[np.ndarray], Node],
    label: str,
    **window: Any,
) -> Node:
    """The int8 form of the layer `op`: "conv2d", "depthwise" or "linear".

    x:              an int8 activation
    shape:          of the weight, as `op` wants it
    scales:         of the weight, one for each output channel
    weight, bias:   make the leaf of a type: int8 of `shape`, and int32 in units of both scales
    requantization: makes the constant leaf of this value, int32 [2, outputs]
    window:         stride, padding, dilation and groups, as far as `op` has them

    Raises ShapeError where these do not fit together.
    """
    quantized = f"{op}_i8"
    source, axis = affine(x), OPS[quantized].channel_axis
    units, zeros = np.float64(source[0]) * scales.astype(np.float64), (0,) * scales.size
    inputs = (
        x,
        weight(TensorType(shape, "int8", Quant(tuple(scales.tolist()), zeros, axis))),
        bias(TensorType(scales.shape, "int32", Quant(tuple(units.tolist()), zeros, 0))),
        requantization(rescaling(x, scales, result)),
    )
    return build(quantized, *inputs, label=label, source=source, **window, **result.attrs)


def rescaling(x: Node, scales: np.ndarray, result: Result) -> np.ndarray:
    """Fixed-point factors from sums of x times a weight to `result`, int32 [2, outputs]."""
    return requantization(affine(x)[0], scales.astype(np.float32), result.scale)
