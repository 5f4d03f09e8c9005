"""The operations of an LSTM of integers, as TensorFlow Lite's reference kernels compute them.

Gates are int16 with twelve fractional bits before their function and fifteen after it, the cell
state is int16 with twelve, the output bytes.  Gradients are float32, of the real values, straight
through all rounding; they do not pass where the cell state or the output is clamped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require, same_type, typed
from trainlet.ops.quantized import fixed_i16
from trainlet.ops.quantized.fixed_point import Affine, rescale, wrapped
from trainlet.ops.quantized.sampling import draw_int8, draw_integers
from trainlet.ops.quantized.types import HIGHEST, LOWEST, masked

ZERO_POINT = 0
BEFORE, AFTER = 2.0**-12, 2.0**-15
"""The scale of a gate before and after its function; the cell state has the first."""
_TYPE = typed("int16", 3, 4)
_DRAW = draw_integers((3, 4), 32767)


def real(x: Node, scale: float) -> Node:
    """int16 as float32."""
    return build("dequantize_i16", x, scale=scale, label=x.name)


register(
    Op(
        "dequantize_i16",
        infer=lambda x, scale: float32(*x.shape),
        eval=lambda x, scale: x.astype(np.float32) * np.float32(scale),
        call=lambda n: (n.type.size, float(n.attrs["scale"])),
        samples=[Sample((_TYPE,), {"scale": AFTER}, {0: _DRAW})],
    )
)

register(
    Op(
        "fill",
        infer=lambda x, value: float32(*x.shape),
        eval=lambda x, value: np.full(x.shape, value, np.float32),
        call=lambda n: (n.type.size, float(n.attrs["value"])),
        samples=[Sample((typed("int32", 4),), {"value": 0.25}, {0: draw_integers((4,), 9)})],
    )
)

register(
    Op(
        "less_zero_point",
        infer=lambda b, w, zero: b,
        eval=lambda b, w, zero: wrapped(b - zero * w.astype(np.int64).sum(1)).astype(np.int32),
        vjp=lambda n, g: [lambda: g, None],
        call=lambda n: (*n.inputs[1].type.shape, n.attrs["zero"]),
        samples=[
            Sample(
                (typed("int32", 4), typed("int8", 4, 5)),
                {"zero": -128},
                {0: draw_integers((4,), 5000), 1: draw_int8((4, 5))},
            )
        ],
    )
)


def _infer_linear(
    x: TensorType, w: TensorType, b: TensorType, before: TensorType | None = None, *,
    multiplier: int, shift: int, source: Affine, scale: float,
) -> TensorType:  # fmt: skip
    """source: of x, whose zero point the bias has taken up; scale: of w. Gradients read both."""
    fits = w.rank == 2 and x.shape[-1] == w.shape[1] and b.shape == w.shape[:1]
    require(fits, f"input {x}, weight {w} and bias {b}")
    y = typed("int16", *x.shape[:-1], w.shape[0])
    require(before is None or before == y, f"{before} is no part of {y}")
    return y


def _eval_linear(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, before: np.ndarray | None = None, *,
    multiplier: int, shift: int, source: Affine, scale: float,
) -> np.ndarray:  # fmt: skip
    sums = rescale(wrapped(x.astype(np.int64) @ w.astype(np.int64).T + b), multiplier, shift)
    return fixed_i16.saturate(sums if before is None else sums + before).astype(np.int16)


def _vjp_linear(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, *before = n.inputs
    scale, zero = n.attrs["source"]

    def dx() -> Node:
        scales = build("fill", b, value=n.attrs["scale"], label=n.name)
        return build("linear_i8_dx", g, w, scales, label=n.name)

    return [
        dx,
        lambda: build("linear_i8_dw", g, x, scale=scale, zero=zero, label=n.name),
        lambda: build("sum_to", g, shape=b.type.shape, label=n.name),
        *([lambda: g] if before else []),
    ]


_ATTRS = {"source": (0.5, 30), "scale": 0.02}
_LINEAR = (typed("int8", 3, 5), typed("int8", 4, 5), typed("int32", 4))
_LINEAR_DRAWS = {0: draw_int8((3, 5)), 1: draw_int8((4, 5)), 2: draw_integers((4,), 5000)}
register(
    Op(
        "linear_i16",
        infer=_infer_linear,
        eval=_eval_linear,
        vjp=_vjp_linear,
        pointers=4,
        call=lambda n: (
            prod(n.type.shape[:-1]),
            *n.inputs[1].type.shape,
            n.attrs["multiplier"],
            n.attrs["shift"],
        ),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[1],
        samples=[
            Sample(_LINEAR, {"multiplier": 1 << 30, "shift": -2, **_ATTRS}, _LINEAR_DRAWS),
            Sample(
                (*_LINEAR, _TYPE),
                {"multiplier": 1 << 30, "shift": 1, **_ATTRS},
                {**_LINEAR_DRAWS, 3: _DRAW},
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
            vjp=lambda n, g: [
                lambda: build(f"{name.removesuffix('_i16')}_dx", g, real(n, AFTER), label=n.name)
            ],
            inplace=(0,),
            samples=[
                Sample((_TYPE,), {}, {0: _DRAW}),
                Sample((typed("int16", 9),), {}, {0: lambda rng: np.arange(-4, 5) * 8191}),
            ],
        )
    )


def _products(n: Node, g: Node) -> list[Thunk | None]:
    """Of a gate after its function and of what gives the scale of the cell state with it."""
    a, b = n.inputs
    scale = BEFORE / AFTER * 2.0 ** -n.attrs["shift"]
    return [
        lambda: build("mul", g, real(b, scale), label=n.name),
        lambda: build("mul", g, real(a, AFTER), label=n.name),
    ]


def _vjp_sum(n: Node, g: Node) -> list[Thunk | None]:
    """The cell state, and its clamp."""

    @cache
    def inside() -> Node:
        low, high = (n.attrs[k] * BEFORE for k in ("low", "high"))
        mask = build("clip_mask", real(n, BEFORE), low=low, high=high, inclusive=False)
        return build("mask_dx", g, mask, slope=1.0, label=n.name)

    return [inside, inside]


def _vjp_bytes(n: Node, g: Node) -> list[Thunk | None]:
    """The output, and its clamp."""
    a, b = n.inputs
    inside = masked(n, g, LOWEST, HIGHEST)
    return [
        lambda: build("mul", inside(), real(b, AFTER), label=n.name),
        lambda: build("mul", inside(), real(a, AFTER), label=n.name),
    ]


_function("sigmoid_i16", fixed_i16.sigmoid)
_function("tanh_i16", fixed_i16.tanh)

register(
    Op(
        "mul_i16",
        infer=lambda a, b, shift: same_type(a, b),
        eval=lambda a, b, shift: fixed_i16.divide_pot(
            a.astype(np.int32) * b.astype(np.int32), shift
        ).astype(np.int16),
        vjp=_products,
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
        vjp=_vjp_sum,
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
        vjp=_vjp_bytes,
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
