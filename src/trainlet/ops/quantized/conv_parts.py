"""The quantised convolution of a weight in two parts along the input channels.

They are joined for a few outputs at a time, so that the weight is never whole in the arena.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import ODD, POINT
from trainlet.ops.op import OPS, Op, Sample, build, register, require
from trainlet.ops.quantized.conv import clamp_literals, convolve, infer
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import int8, weight
from trainlet.ops.row_access import window_rows
from trainlet.ops.window import Geometry

OUTPUTS = 32
"""Joined at a time: few bytes, and enough for kernels that take eight at once."""


def _whole(first: TensorType, second: TensorType) -> TensorType:
    require(first.quant == second.quant, f"scales differ: {first.quant} and {second.quant}")
    return OPS["concat_i8"].infer(first, second, axis=3)


def _infer(
    x: TensorType, first: TensorType, second: TensorType, b: TensorType, q: TensorType, *,
    groups: int, **attrs: Any,
) -> TensorType:  # fmt: skip
    require(groups == 1, "a weight of several groups is read as a whole")
    return infer(x, _whole(first, second), b, q, groups=groups, **attrs)


def _eval(
    x: np.ndarray, first: np.ndarray, second: np.ndarray, b: np.ndarray, q: np.ndarray, **attrs: Any
) -> np.ndarray:
    return convolve(x, np.concatenate([first, second], 3), b, q, **attrs)


def _outputs(n: Node) -> int:
    return min(OUTPUTS, n.type.shape[3])


def _work_bytes(n: Node) -> int:
    """Of some outputs: their multipliers and shifts, their weights, their results."""
    whole = _whole(n.inputs[1].type, n.inputs[2].type)
    return _outputs(n) * (8 + (whole.size + n.type.size) // n.type.shape[3])


def _call(n: Node) -> tuple[int, ...]:
    sizes = Geometry.of(n).literals(n.inputs[0].type, n.type)
    return *sizes, *clamp_literals(n), n.inputs[1].type.shape[3], _outputs(n)


def _called(n: Node) -> list[Node]:
    x, first, second, b, q = n.inputs
    w = build("concat_i8", first, second, axis=3)
    return [w, build("conv2d_i8", x, w, b, q, **n.attrs)]


def _sample(x: tuple, w: tuple, learns: int, geometry: dict) -> Sample:
    source = 0.5, -100
    attrs = {"source": source, "scale": 0.75, "zero_point": 9, "low": -90, "high": 101, **geometry}
    one = layer_sample(
        int8(*x, scale=source[0], zero_point=source[1]), weight(*w), attrs, w[0], 5e3
    )
    given, whole, b, q = one.types
    parts = [whole.with_shape((*w[:3], n)) for n in (learns, w[3] - learns)]
    draws = [one.values[0], *(draw_int8(p.shape) for p in parts), one.values[2], one.values[3]]
    return Sample((given, *parts, b, q), attrs, dict(enumerate(draws)))


register(
    Op(
        "conv2d_parts_i8",
        rows=window_rows,
        infer=_infer,
        eval=_eval,
        call=_call,
        calls=_called,
        workspace=_work_bytes,
        macs=lambda n: Geometry.of(n).macs(n.type, _whole(n.inputs[1].type, n.inputs[2].type)),
        samples=[
            _sample((1, 3, 3, 5), (35, 1, 1, 5), 2, POINT),
            _sample((1, 7, 6, 4), (6, 3, 3, 4), 3, {**ODD, "groups": 1}),
        ],
    )
)
