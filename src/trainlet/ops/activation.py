"""Activation functions.

The clipped-linear ones (ReLU, ReLU6, hard-sigmoid) and LeakyReLU keep one bit an element for their
backward pass; sigmoid and tanh keep their result, the others their input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, pi, prod, sqrt

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import (
    OUR_SERIES,
    Op,
    Sample,
    build,
    float32,
    no_literals,
    register,
    require,
    same_type,
    typed,
)
from trainlet.ops.row_access import own_rows, pair_rows

Function = Callable[[np.ndarray], np.ndarray]


def mask_type(y: TensorType) -> TensorType:
    """The type of a packed mask with one bit per element of y."""
    return typed("uint8", (y.size + 7) // 8)


def pack(inside: np.ndarray) -> np.ndarray:
    """Bit k of byte k/8 tells whether element k of the flattened tensor is inside."""
    return np.packbits(inside.reshape(-1), bitorder="little")


def unpacked(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `pack`, bool."""
    bits = np.unpackbits(mask, count=prod(shape), bitorder="little")
    return bits.reshape(shape).astype(bool)


@dataclass(frozen=True)
class _Clipped:
    """A function that rises along a line between two bounds.

    inside: of the result, where the bounds do not hold it
    slope:  there
    """

    meaning: Function
    inside: Function
    slope: float
    kinks: tuple[float, ...]


_CLIPPED = {
    "relu": _Clipped(lambda x: np.maximum(x, np.float32(0)), lambda y: y > 0, 1.0, (0,)),
    "relu6": _Clipped(
        lambda x: np.clip(x, np.float32(0), np.float32(6)),
        lambda y: (y > 0) & (y < 6),
        1.0,
        (0, 6),
    ),
    "hard_sigmoid": _Clipped(
        lambda x: np.clip(x + np.float32(3), 0, 6) * np.float32(1 / 6),
        lambda y: (y > 0) & (y < 1),
        1 / 6,
        (-3, 3),
    ),
}


_COMPARED_AS_INTEGERS = ("relu", "relu6")
"""Their kernels for Cortex-M compare floats as integers."""


def _vjp_clipped(n: Node, g: Node) -> list:
    """The gradient, by a packed mask of the elements strictly inside the clipping range."""
    slope = _CLIPPED[n.op].slope
    return [lambda: build("mask_dx", g, build(f"{n.op}_mask", n, label=n.name), slope=slope)]


def _wide(rng: np.random.Generator) -> np.ndarray:
    """Samples wide enough for clipping and saturation."""
    return rng.uniform(-8, 8, 40).astype(np.float32)


for _name, _clipped in _CLIPPED.items():
    register(
        Op(
            _name,
            rows=own_rows,
            infer=same_type,
            eval=_clipped.meaning,
            vjp=_vjp_clipped,
            element=no_literals,
            own_loop=_name in _COMPARED_AS_INTEGERS,
            inplace=(0,),
            layout=ELEMENTWISE,
            kinks=lambda attrs, kinks=_clipped.kinks: kinks,
            samples=[Sample((float32(3, 5),)), Sample((float32(40),), {}, {0: _wide})],
        )
    )
    register(
        Op(
            f"{_name}_mask",
            rows=own_rows,
            infer=mask_type,
            eval=lambda y, inside=_clipped.inside: pack(inside(y)),
            call=lambda n: (n.inputs[0].type.size,),
            samples=[
                Sample((float32(3, 5),)),
                Sample((float32(40),), {}, {0: lambda rng, f=_clipped.meaning: f(_wide(rng))}),
            ],
        )
    )


def _infer_mask_dx(g: TensorType, mask: TensorType, slope: float) -> TensorType:
    require(mask == mask_type(g), f"mask {mask} does not fit {g}")
    return g


def _eval_mask_dx(g: np.ndarray, mask: np.ndarray, slope: float) -> np.ndarray:
    return np.where(unpacked(mask, g.shape), g * np.float32(slope), np.float32(0))


register(
    Op(
        "mask_dx",
        rows=pair_rows,
        infer=_infer_mask_dx,
        eval=_eval_mask_dx,
        call=lambda n: (n.type.size, float(n.attrs["slope"])),
        inplace=(0,),
        samples=[
            Sample(
                (float32(3, 5), typed("uint8", 2)),
                {"slope": 1 / 6},
                {1: lambda rng: rng.integers(0, 256, 2).astype(np.uint8)},
            )
        ],
    )
)


def _vjp_leaky(n: Node, g: Node) -> list:
    """Through a packed mask of the positive elements, which the result has where the input has
    them; where the slope is negative, the input alone tells."""
    slope = n.attrs["slope"]
    known = n if slope >= 0 else n.inputs[0]

    def gradient() -> Node:
        return build("leaky_relu_dx", g, build("relu_mask", known, label=n.name), slope=slope)

    return [gradient]


register(
    Op(
        "leaky_relu",
        rows=own_rows,
        infer=lambda x, slope: x,
        eval=lambda x, slope: np.where(x > 0, x, x * np.float32(slope)),
        vjp=_vjp_leaky,
        call=lambda n: (n.type.size, float(n.attrs["slope"])),
        element=lambda attrs: (float(attrs["slope"]),),
        inplace=(0,),
        layout=ELEMENTWISE,
        kinks=lambda attrs: (0,),
        samples=[Sample((float32(3, 5),), {"slope": slope}) for slope in (0.01, -0.5)],
    )
)

register(
    Op(
        "leaky_relu_dx",
        rows=pair_rows,
        infer=_infer_mask_dx,
        eval=lambda g, mask, slope: np.where(unpacked(mask, g.shape), g, g * np.float32(slope)),
        call=lambda n: (n.type.size, float(n.attrs["slope"])),
        inplace=(0,),
        samples=[
            Sample(
                (float32(3, 5), typed("uint8", 2)),
                {"slope": 0.2},
                {1: lambda rng: rng.integers(0, 256, 2).astype(np.uint8)},
            )
        ],
    )
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow for large |x|."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


_erf = np.vectorize(erf, otypes=[np.float64])


def _gelu_cdf(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + _erf(x.astype(np.float64) / sqrt(2)))


def _gelu(x: np.ndarray) -> np.ndarray:
    return (x * _gelu_cdf(x)).astype(x.dtype)


def _gelu_slope(x: np.ndarray) -> np.ndarray:
    density = np.exp(-0.5 * x.astype(np.float64) ** 2) / sqrt(2 * pi)
    return (_gelu_cdf(x) + x * density).astype(x.dtype)


_TANH_SCALE, _TANH_CUBE = np.float32(sqrt(2 / pi)), np.float32(0.044715)


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x**3)))


def _gelu_tanh_slope(x: np.ndarray) -> np.ndarray:
    t = np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _TANH_SCALE * (1 + 3 * _TANH_CUBE * x * x)


def _hard_swish_slope(x: np.ndarray) -> np.ndarray:
    inner = x * np.float32(1 / 3) + np.float32(0.5)
    return np.where(x <= -3, 0, np.where(x < 3, inner, 1)).astype(x.dtype)


def _silu_slope(x: np.ndarray) -> np.ndarray:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


@dataclass(frozen=True)
class _Smooth:
    """A function and its slope.

    of_result:  the slope is a function of the result; otherwise of the input
    tolerances: of the function's kernel and of its gradient's
    """

    meaning: Function
    slope: Function
    of_result: bool = False
    tolerances: tuple[int, int] = (OUR_SERIES, OUR_SERIES)
    kinks: tuple[float, ...] = ()


CANCELLING = 32
"""Tolerance of (1 - tanh^2) times x^3, for large x."""

_SMOOTH = {
    "sigmoid": _Smooth(sigmoid, lambda y: y * (1 - y), True, (OUR_SERIES, 0)),
    "tanh": _Smooth(np.tanh, lambda y: 1 - y * y, True, (OUR_SERIES, 0)),
    "silu": _Smooth(lambda x: x * sigmoid(x), _silu_slope),
    "gelu": _Smooth(_gelu, _gelu_slope),
    "gelu_tanh": _Smooth(_gelu_tanh, _gelu_tanh_slope, False, (OUR_SERIES, CANCELLING)),
    "hard_swish": _Smooth(
        lambda x: x * np.clip(x + np.float32(3), 0, 6) * np.float32(1 / 6),
        _hard_swish_slope,
        tolerances=(0, 0),
        kinks=(-3, 3),
    ),
}


def _vjp_smooth(n: Node, g: Node) -> list:
    saved = n if _SMOOTH[n.op].of_result else n.inputs[0]
    return [lambda: build(f"{n.op}_dx", g, saved, label=n.name)]


for _name, _smooth in _SMOOTH.items():
    register(
        Op(
            _name,
            rows=own_rows,
            infer=same_type,
            eval=_smooth.meaning,
            vjp=_vjp_smooth,
            element=no_literals,
            inplace=(0,),
            layout=ELEMENTWISE,
            kinks=lambda attrs, kinks=_smooth.kinks: kinks,
            tolerance=_smooth.tolerances[0],
            samples=[Sample((float32(5, 8),)), Sample((float32(40),), {}, {0: _wide})],
        )
    )
    register(
        Op(
            f"{_name}_dx",
            rows=own_rows,
            infer=same_type,
            eval=lambda g, v, slope=_smooth.slope: (g * slope(v)).astype(g.dtype),
            element=no_literals,
            inplace=(0,),
            tolerance=_smooth.tolerances[1],
            samples=[
                Sample((float32(5, 8), float32(5, 8))),
                Sample((float32(40), float32(40)), {}, {1: _wide}),
            ],
        )
    )
