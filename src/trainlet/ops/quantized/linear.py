"""Quantised y[r,o] = bias[o] + sum_i x[r,i] w[o,i], and its float32 gradients.

Unlike a convolution it rounds once, as LiteRT's reference kernel does since it multiplies the sum
by a double; a 64-bit product is the same.
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.correlate import exact_floats
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.cast import weight_scales
from trainlet.ops.quantized.conv import clamp_literals
from trainlet.ops.quantized.fixed_point import Affine, clamped, rescale_once, wrapped
from trainlet.ops.quantized.gradient.linear import linear_gradients
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import check_source, check_weights, int8, masked, result, weight

MOST_INPUTS = 208
"""Of which the Cortex-M kernel of several rows has room for four."""


def _rows(t: TensorType) -> int:
    return prod(t.shape[:-1])


def kernel_of_rows(name: str, y: TensorType, *inputs: int) -> str:
    """The kernel of a layer of that name: where it has four rows and two outputs or more, that of
    several rows, which reads a weight once for all of them."""
    padded = sum(-(-size // 8) * 8 for size in inputs)
    several = _rows(y) >= 4 and y.shape[-1] >= 2 and padded <= MOST_INPUTS
    return name.replace("_i8", "_rows_i8") if several else name


def infer(
    x: TensorType, w: TensorType, b: TensorType, q: TensorType, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int,
) -> TensorType:  # fmt: skip
    """The type of the result of a quantised linear layer."""
    require(
        w.rank == 2 and x.rank >= 1 and x.shape[-1] == w.shape[1],
        f"input {x} and weight {w}: the last dimension of the input must be the weight's second",
    )
    check_source(x, source)
    check_weights(w, b, q, *w.shape)
    return result(x, (*x.shape[:-1], w.shape[0]), scale, zero_point, low, high)


def _eval(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int,
) -> np.ndarray:  # fmt: skip
    real, weight = exact_floats(x.astype(np.int16) - source[1], w, w.shape[1])
    sums = wrapped((real @ weight.T).astype(np.int64) + b)
    return clamped(rescale_once(sums, q[0], q[1]), zero_point, low, high)


def gradients(n: Node, g: Node, inside: Thunk | None = None) -> list[Thunk | None]:
    """The gradient rule in float32; `inside` makes the gradient before the clamp, where that is
    known."""
    x, w, b, _ = n.inputs
    inside, (scale, zero) = inside or masked(n, g), n.attrs["source"]
    return [
        lambda: build("linear_i8_dx", inside(), w, weight_scales(n), label=n.name),
        lambda: build("linear_i8_dw", inside(), x, scale=scale, zero=zero, label=n.name),
        lambda: build("sum_to", inside(), shape=b.type.shape, label=n.name),
        None,
    ]


def _sample(x: tuple, w: tuple, scale: float, low: int) -> Sample:
    source = (0.5, 30)
    attrs = {"source": source, "scale": scale, "zero_point": -20, "low": low, "high": 127}
    kinds = int8(*x, scale=source[0], zero_point=source[1]), weight(*w)
    return layer_sample(*kinds, attrs, w[0], 5e3)


LINEAR_I8 = register(
    Op(
        "linear_i8",
        infer=infer,
        eval=_eval,
        vjp=gradients,
        vjp_bfp=linear_gradients,
        call=lambda n: (_rows(n.type), *n.inputs[1].type.shape, *clamp_literals(n)),
        variants=("linear_rows_i8",),
        kernel=lambda n: kernel_of_rows(n.op, n.type, n.inputs[1].type.shape[1]),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[1],
        channel_axis=0,
        samples=[
            _sample((3, 5), (4, 5), 2.0, -128),
            _sample((2, 3, 5), (4, 5), 1.0, -20),
            _sample((5,), (4, 5), 0.001, -128),
        ],
    )
)


def _infer_dx(g: TensorType, w: TensorType, s: TensorType) -> TensorType:
    require(w.dtype == "int8" and s == float32(w.shape[0]), f"scales {s} do not fit weight {w}")
    return float32(*g.shape[:-1], w.shape[1])


register(
    Op(
        "linear_i8_dx",
        infer=_infer_dx,
        eval=lambda g, w, s: (g * s) @ w.astype(g.dtype),
        call=lambda n: (_rows(n.type), *n.inputs[1].type.shape),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[0],
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(3, 4), weight(4, 5), float32(4)),
                {},
                {1: draw_int8((4, 5)), 2: lambda rng: rng.uniform(0.01, 0.1, 4)},
            )
        ],
    )
)


def _infer_dw(g: TensorType, x: TensorType, scale: float, zero: int) -> TensorType:
    check_source(x, (scale, zero))
    return float32(g.shape[-1], x.shape[-1])


def _eval_dw(g: np.ndarray, x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    real = x.astype(g.dtype).reshape(-1, x.shape[-1]) - g.dtype.type(zero)
    return g.reshape(-1, g.shape[-1]).T @ real * np.float32(scale)


register(
    Op(
        "linear_i8_dw",
        sums_rows=True,
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=lambda n, chosen: build(
            n.op, n.inputs[0], chosen_channels(n.inputs[1], chosen), label=n.name, **n.attrs
        ),
        call=lambda n: (
            _rows(n.inputs[0].type),
            *n.type.shape,
            float(n.attrs["scale"]),
            n.attrs["zero"],
        ),
        macs=lambda n: n.type.size * _rows(n.inputs[0].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), int8(*x, scale=0.5, zero_point=30)),
                {"scale": 0.5, "zero": 30},
                {1: draw_int8(x)},
            )
            for g, x in [((3, 4), (3, 5)), ((2, 3, 4), (2, 3, 5))]
        ],
    )
)
