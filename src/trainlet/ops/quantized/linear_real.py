"""Products of int8 matrices as float32: y[r,o] = scale s[o] (b[o] + sum_i (x[r,i] - zero) w[o,i]).

A recurrent layer adds such products of its input and of its state before its gates' functions.
The sums are integers; s holds the weight's scales.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.correlate import exact_floats
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.fixed_point import Affine, wrapped
from trainlet.ops.quantized.gradient.block import rows
from trainlet.ops.quantized.sampling import draw_int8, draw_integers
from trainlet.ops.quantized.types import check_source, int8, weight


def _infer(
    x: TensorType, w: TensorType, b: TensorType, s: TensorType, *, source: Affine
) -> TensorType:
    require(
        w.rank == 2 and x.rank >= 1 and x.shape[-1] == w.shape[1] < 1 << 16,
        f"input {x} and weight {w}: the last dimension of the input must be the weight's second, "
        "below 65,536",
    )
    check_source(x, source)
    require(b.shape == s.shape == w.shape[:1], f"bias {b} and scales {s} do not fit weight {w}")
    return float32(*x.shape[:-1], w.shape[0])


def _eval(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, s: np.ndarray, *, source: Affine
) -> np.ndarray:
    real, exact = exact_floats(x.astype(np.int16) - source[1], w, w.shape[1])
    sums = wrapped((real @ exact.T).astype(np.int64) + b)
    return sums.astype(np.float32) * (np.float32(source[0]) * s.astype(np.float32))


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, s = n.inputs
    scale, zero = n.attrs["source"]
    return [
        lambda: build("linear_i8_dx", g, w, s, label=n.name),
        lambda: build("linear_i8_dw", g, x, scale=scale, zero=zero, label=n.name),
        lambda: build("sum_to", g, shape=b.type.shape, label=n.name),
        None,
    ]


def _sample(*x: int) -> Sample:
    w = weight(4, 5)
    assert w.quant is not None
    scales = w.quant.scale
    types = int8(*x, scale=0.5, zero_point=30), w, TensorType((4,), "int32"), float32(4)
    draws = {
        0: draw_int8(x),
        1: draw_int8((4, 5)),
        2: draw_integers((4,), 5000),
        3: lambda rng: np.array(scales),
    }
    return Sample(types, {"source": (0.5, 30)}, draws)


register(
    Op(
        "linear_i8_f32",
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=lambda n: (
            rows(n.type),
            *n.inputs[1].type.shape,
            float(n.attrs["source"][0]),
            n.attrs["source"][1],
        ),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[1],
        channel_axis=0,
        samples=[_sample(3, 5), _sample(2, 3, 5), _sample(5)],
    )
)
