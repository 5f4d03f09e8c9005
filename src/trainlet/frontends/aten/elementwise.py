"""Activations and arithmetic."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from trainlet.errors import DataError, UnsupportedError
from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node
from trainlet.ops.clip import LARGEST


def _unary(op: str) -> Builder:
    return lambda at, x: at.build(op, x)


for _op, _name in {
    "relu": "relu",
    "relu6": "relu6",
    "hard_swish": "hardswish",
    "hard_sigmoid": "hardsigmoid",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "silu",
}.items():
    aten(_name)(_unary(_op))


@aten("gelu")
def _gelu(at: Importer, x: Node, approximate: str) -> Node:
    if approximate not in ("none", "tanh"):
        raise UnsupportedError(f"approximate={approximate!r}; allowed: 'none', 'tanh'")
    return at.build("gelu_tanh" if approximate == "tanh" else "gelu", x)


@aten("leaky_relu")
def _leaky_relu(at: Importer, x: Node, slope: float = 0.01) -> Node:
    return at.build("leaky_relu", x, slope=number(slope, "negative_slope"))


@aten("hardtanh")
def _hardtanh(at: Importer, x: Node, low: float, high: float) -> Node:
    if (low, high) == (0, 6):
        return at.build("relu6", x)
    return _clip(at, x, low, high, inclusive=False)


@aten("clamp")
def _clamp(
    at: Importer, x: Node, low: Node | float | None, high: Node | float | None = None
) -> Node:
    return _clip(at, x, low, high, inclusive=True)


aten("clamp_min", "clip")(_clamp)


@aten("clamp_max")
def _clamp_max(at: Importer, x: Node, high: Node | float) -> Node:
    return _clip(at, x, None, high, inclusive=True)


def _clip(at: Importer, x: Node, low: Any, high: Any, inclusive: bool) -> Node:
    """The gradient passes within the bounds; on a bound it does for clamp, and not for hardtanh."""
    if isinstance(low, Node) or isinstance(high, Node):
        return _between(at, x, low, high)
    first = -LARGEST if low in (None, -inf) else number(low, "min")
    last = LARGEST if high in (None, inf) else number(high, "max")
    return at.build("clip", x, low=first, high=last, inclusive=inclusive)


def _between(at: Importer, x: Node, low: Any, high: Any) -> Node:
    """Between bounds of which one is a tensor at least; what is chosen gets the gradient."""
    if low is not None:
        first = tensor(at, low)
        x = chosen(at, at.build("lt", x, first), first, x)
    if high is None:
        return x
    last = tensor(at, high)
    return chosen(at, at.build("lt", last, x), last, x)


def chosen(at: Importer, condition: Node, a: Node, b: Node) -> Node:
    """a where the condition is not zero, else b: what is not chosen adds zero, whatever it is."""
    return at.build("add", at.build("where_true", condition, a),
                    at.build("where_false", condition, b))  # fmt: skip


@aten("alias", "contiguous", "clone", moves=True)
@aten("lift_fresh_copy", "to", "_to_copy", "type_as")
def _identity(at: Importer, x: Node, *_: object) -> Node:
    """Other casts than those of samples are refused by the dtype of their result."""
    cast = {"int16": "from_i16", "uint8": "from_u8"}.get(x.type.dtype)
    return at.build(cast, x) if cast else x


@aten("detach", moves=True)
def _detach(at: Importer, x: Node) -> Node:
    return at.build("detach", x)


@aten("dropout", "feature_dropout", "native_dropout", "alpha_dropout", "feature_alpha_dropout")
def _dropout(at: Importer, x: Node, p: float, train: bool) -> Node:
    if train and p:
        raise UnsupportedError(
            f"dropout with p={p} that is always on; a trainer has no random numbers: use "
            "nn.Dropout in a model in eval mode, or F.dropout(x, p, training=self.training)"
        )
    return x


def scaled(at: Importer, x: Node, factor: float) -> Node:
    """x times a number."""
    return x if factor == 1 else at.build("scale", x, factor=factor)


@aten("add")
def _add(at: Importer, a: Node | float, b: Node | float, alpha: float = 1) -> Node:
    by = number(alpha, "alpha")
    if not isinstance(b, Node):
        return at.build("offset", tensor(at, a), term=number(b, "the term") * by)
    if not isinstance(a, Node):
        return at.build("offset", scaled(at, b, by), term=number(a, "the term"))
    return at.build("add", a, scaled(at, b, by))


@aten("sub")
def _sub(at: Importer, a: Node | float, b: Node | float, alpha: float = 1) -> Node:
    by = number(alpha, "alpha")
    if isinstance(a, Node) and isinstance(b, Node):
        return at.build("sub", a, scaled(at, b, by))
    return _add(at, a, b, -by)


@aten("rsub")
def _rsub(at: Importer, x: Node, other: Node | float, alpha: float = 1) -> Node:
    return _sub(at, other, x, alpha)


@aten("mul", conditions=True)
def _mul(at: Importer, a: Node | float, b: Node | float) -> Node:
    if isinstance(a, Node) and isinstance(b, Node):
        return at.build("mul", a, b)
    x, factor = (a, b) if isinstance(a, Node) else (b, a)
    return at.build("scale", x, factor=number(factor, "the factor"))  # type: ignore[arg-type]


def tensor(at: Importer, value: Node | float) -> Node:
    """A number in the place of a tensor, as a leaf without dimensions."""
    if isinstance(value, Node):
        return value
    return at.const(np.full((), number(value, "the operand")), f"{at.label}.number")


@aten("neg")
def _neg(at: Importer, x: Node) -> Node:
    return at.build("scale", x, factor=-1.0)


@aten("div", "true_divide")
def _div(at: Importer, x: Node, divisor: Node | float, rounding: str | None = None) -> Node:
    if rounding is not None:
        whole = {"floor": "floor", "trunc": "trunc"}[rounding]
        return at.build(whole, at.build("div", tensor(at, x), tensor(at, divisor)))
    if isinstance(divisor, Node) and divisor.op != "const":
        return at.build("div", tensor(at, x), divisor)
    if isinstance(divisor, Node):
        known = at.value(divisor, "the divisor")
        factor = at.const(_reciprocal(known), f"{divisor.name}.reciprocal")
        return at.build("mul", tensor(at, x), factor)
    value = np.float32(number(divisor, "the divisor"))
    return at.build("scale", x, factor=float(_reciprocal(np.float64(value))))


@aten("xlogy")
def _xlogy(at: Importer, x: Node | float, y: Node | float) -> Node:
    """x log y, and zero where x is zero and log y is infinite or none."""
    a, b, zero = tensor(at, x), tensor(at, y), tensor(at, 0.0)
    none = at.build("mul", at.build("equal", a, zero), at.build("le", b, zero))
    product = at.build("mul", a, at.build("log", b))
    return at.build("where_false", none, product)


def _reciprocal(divisor: np.ndarray | np.float64) -> np.ndarray:
    with np.errstate(divide="ignore", over="ignore"):
        factor = np.divide(1, divisor)
    if not np.isfinite(factor.astype(np.float32)).all():
        raise DataError("the divisor is zero (or so small that 1 / x is infinite in float32)")
    return factor
