"""Activations and arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node


def _unary(op: str) -> Builder:
    return lambda at, x: at.build(op, x)


for _op, _names in {
    "relu": ("relu", "relu_"),
    "relu6": ("relu6", "relu6_"),
    "hard_swish": ("hardswish", "hardswish_"),
    "hard_sigmoid": ("hardsigmoid", "hardsigmoid_"),
    "sigmoid": ("sigmoid", "sigmoid_"),
    "tanh": ("tanh", "tanh_"),
    "silu": ("silu", "silu_"),
}.items():
    aten(*_names)(_unary(_op))


@aten("gelu")
def _gelu(at: Importer, x: Node, approximate: str = "none") -> Node:
    return at.build("gelu_tanh" if approximate == "tanh" else "gelu", x)


@aten("hardtanh", "hardtanh_", "clamp", "clamp_")
def _hardtanh(at: Importer, x: Node, low: float | None = -1, high: float | None = 1) -> Node:
    if (low, high) == (0, 6):
        return at.build("relu6", x)
    if low == 0 and high is None:
        return at.build("relu", x)
    raise UnsupportedError(f"clamping to {low}..{high}; allowed: 0..6 (ReLU6) and 0.. (ReLU)")


@aten("clamp_min", "clamp_min_")
def _clamp_min(at: Importer, x: Node, low: float) -> Node:
    return _hardtanh(at, x, low, None)


@aten("dropout", "dropout_", "feature_dropout", "alias", "contiguous", "detach", "lift_fresh_copy")
@aten("clone", "native_dropout")
def _identity(at: Importer, x: Node, *_: object, **__: object) -> Node:
    return x


def _binary(op: str, scalar: str, scale: Callable[[float], float]) -> Builder:
    def builder(at: Importer, a: Node | float, b: Node | float, alpha: float = 1) -> Node:
        if alpha != 1:
            raise UnsupportedError(f"{op} with alpha={alpha}; multiply explicitly")
        if isinstance(a, Node) and isinstance(b, Node):
            return at.build(op, a, b)
        if isinstance(a, Node):
            key = {"scale": "factor", "offset": "term"}[scalar]
            return at.build(scalar, a, **{key: scale(float(b))})  # type: ignore[arg-type]
        return builder(at, b, a) if op != "sub" else _reverse_sub(at, float(a), b)  # type: ignore[arg-type]

    return builder


def _reverse_sub(at: Importer, a: float, b: Node) -> Node:
    return at.build("offset", at.build("scale", b, factor=-1.0), term=a)


aten("add", "add_")(_binary("add", "offset", lambda v: v))
aten("sub", "sub_")(_binary("sub", "offset", lambda v: -v))
aten("mul", "mul_")(_binary("mul", "scale", lambda v: v))


@aten("rsub")
def _rsub(at: Importer, x: Node, other: float, alpha: float = 1) -> Node:
    if isinstance(other, Node) or alpha != 1:
        raise UnsupportedError("rsub of two tensors; write a - b")
    return _reverse_sub(at, float(other), x)


@aten("neg")
def _neg(at: Importer, x: Node) -> Node:
    return at.build("scale", x, factor=-1.0)


@aten("div", "div_")
def _div(at: Importer, x: Node, divisor: Node | float) -> Node:
    if not isinstance(divisor, Node):
        return at.build("scale", x, factor=1 / float(divisor))
    if divisor.op != "const":
        raise UnsupportedError("division by a computed tensor; allowed: by a number or a buffer")
    reciprocal = at.const(1 / at.value(divisor, "the divisor"), f"{divisor.name}.reciprocal")
    return at.build("mul", x, reciprocal)
