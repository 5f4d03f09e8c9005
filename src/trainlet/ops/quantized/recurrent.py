"""The operations of an LSTM of integers, as TensorFlow Lite's reference kernels compute them.

Gates are int16 with twelve fractional bits before their function and fifteen after it, the cell
state is int16, the output bytes.  They have no gradient: such a layer stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import Op, Sample, register, require, same_type, typed
from trainlet.ops.quantized import fixed_i16
from trainlet.ops.quantized.fixed_point import rescale, wrapped
from trainlet.ops.quantized.sampling import draw_int8, draw_integers

ZERO_POINT = 0
_TYPE = typed("int16", 3, 4)
_DRAW = draw_integers((3, 4), 32767)


def _infer_linear(
    x: TensorType, w: TensorType, b: TensorType, before: TensorType | None = None, *,
    multiplier: int, shift: int,
) -> TensorType:  # fmt: skip
    fits = w.rank == 2 and x.shape[-1] == w.shape[1] and b.shape == w.shape[:1]
    require(fits, f"input {x}, weight {w} and bias {b}")
    y = typed("int16", *x.shape[:-1], w.shape[0])
    require(before is None or before == y, f"{before} is no part of {y}")
    return y


def _eval_linear(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, before: np.ndarray | None = None, *,
    multiplier: int, shift: int,
) -> np.ndarray:  # fmt: skip
    sums = rescale(wrapped(x.astype(np.int64) @ w.astype(np.int64).T + b), multiplier, shift)
    return fixed_i16.saturate(sums if before is None else sums + before).astype(np.int16)


_LINEAR = (typed("int8", 3, 5), typed("int8", 4, 5), typed("int32", 4))
_LINEAR_DRAWS = {0: draw_int8((3, 5)), 1: draw_int8((4, 5)), 2: draw_integers((4,), 5000)}
register(
    Op(
        "linear_i16",
        infer=_infer_linear,
        eval=_eval_linear,
        pointers=4,
        call=lambda n: (
            prod(n.type.shape[:-1]),
            *n.inputs[1].type.shape,
            n.attrs["multiplier"],
            n.attrs["shift"],
        ),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[1],
        samples=[
            Sample(_LINEAR, {"multiplier": 1 << 30, "shift": -2}, _LINEAR_DRAWS),
            Sample(
                (*_LINEAR, _TYPE), {"multiplier": 1 << 30, "shift": 1}, {**_LINEAR_DRAWS, 3: _DRAW}
            ),
        ],
    )
)


def _function(name: str, meaning: Callable[[np.ndarray], np.ndarray]) -> None:
    register(
        Op(
            name,
            infer=lambda x: x,
            eval=meaning,
            inplace=(0,),
            samples=[
                Sample((_TYPE,), {}, {0: _DRAW}),
                Sample((typed("int16", 9),), {}, {0: lambda rng: np.arange(-4, 5) * 8191}),
            ],
        )
    )


_function("sigmoid_i16", fixed_i16.sigmoid)
_function("tanh_i16", fixed_i16.tanh)

register(
    Op(
        "mul_i16",
        infer=lambda a, b, shift: same_type(a, b),
        eval=lambda a, b, shift: fixed_i16.divide_pot(
            a.astype(np.int32) * b.astype(np.int32), shift
        ).astype(np.int16),
        call=lambda n: (n.type.size, n.attrs["shift"]),
        inplace=(0, 1),
        samples=[Sample((_TYPE, _TYPE), {"shift": 15}, {0: _DRAW, 1: _DRAW})],
    )
)

register(
    Op(
        "add_i16",
        infer=lambda a, b, low, high: same_type(a, b),
        eval=lambda a, b, low, high: np.clip(
            a.astype(np.int32) + b.astype(np.int32), low, high
        ).astype(np.int16),
        call=lambda n: (n.type.size, n.attrs["low"], n.attrs["high"]),
        inplace=(0, 1),
        samples=[Sample((_TYPE, _TYPE), {"low": -20000, "high": 20000}, {0: _DRAW, 1: _DRAW})],
    )
)


def _infer_bytes(
    a: TensorType, b: TensorType, multiplier: int, shift: int, scale: float
) -> TensorType:
    return TensorType(same_type(a, b).shape, "int8", Quant((scale,), (ZERO_POINT,)))


def _eval_bytes(
    a: np.ndarray, b: np.ndarray, multiplier: int, shift: int, scale: float
) -> np.ndarray:
    products = rescale(a.astype(np.int64) * b, multiplier, shift)
    return np.clip(products, -128, 127).astype(np.int8)


register(
    Op(
        "mul_i16_i8",
        infer=_infer_bytes,
        eval=_eval_bytes,
        call=lambda n: (n.type.size, n.attrs["multiplier"], n.attrs["shift"]),
        samples=[
            Sample(
                (_TYPE, _TYPE),
                {"multiplier": 1 << 30, "shift": -21, "scale": 0.0078125},
                {0: _DRAW, 1: _DRAW},
            )
        ],
    )
)
