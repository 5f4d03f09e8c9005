"""Functions of each element, written once as a formula and traced into ONNX operators."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from trainlet.backends.onnx.emitter import EMITTED, Emitter, Row
from trainlet.ir.graph import Node
from trainlet.ops.formula.record import FORMULAS


class Term:
    """A value with the operators of Python."""

    def __init__(self, at: Emitter, name: str) -> None:
        self.at, self.name = at, name

    def _with(self, kind: str, other: Any, swapped: bool = False) -> Term:
        names = [self.name, _name(self.at, other)]
        return Term(self.at, self.at.op(kind, *(reversed(names) if swapped else names)))

    def __neg__(self) -> Term:
        return Term(self.at, self.at.op("Neg", self.name))

    def __invert__(self) -> Term:
        return Term(self.at, self.at.op("Not", self.name))


def _name(at: Emitter, value: Any) -> str:
    return value.name if isinstance(value, Term) else at.number(float(value))


def _operator(kind: str, swapped: bool) -> Callable[[Term, Any], Term]:
    return lambda self, other: self._with(kind, other, swapped)


for _method, _kind in {
    "add": "Add", "sub": "Sub", "mul": "Mul", "truediv": "Div", "and": "And", "or": "Or",
}.items():  # fmt: skip
    setattr(Term, f"__{_method}__", _operator(_kind, False))
    setattr(Term, f"__r{_method}__", _operator(_kind, True))
for _method, _kind in {
    "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}.items():  # fmt: skip
    setattr(Term, f"__{_method}__", _operator(_kind, False))


class Functions:
    """What a formula calls."""

    def __init__(self, at: Emitter) -> None:
        self.at = at

    def _call(self, kind: str, *values: Any) -> Any:
        return Term(self.at, self.at.op(kind, *(_name(self.at, v) for v in values)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        kind = {
            "where": "Where", "equal": "Equal", "abs": "Abs", "exp": "Exp", "log": "Log",
            "sqrt": "Sqrt", "floor": "Floor", "sin": "Sin", "cos": "Cos", "sigmoid": "Sigmoid",
            "tanh": "Tanh", "erf": "Erf", "atan": "Atan", "asin": "Asin", "acos": "Acos",
        }[name]  # fmt: skip
        return lambda *values: self._call(kind, *values)

    def clip(self, x: Any, low: float, high: float) -> Any:
        ends = self.at.scalar(low), self.at.scalar(high)
        return Term(self.at, self.at.op("Clip", _name(self.at, x), *ends))

    def expm1(self, x: Any) -> Any:
        """By the hyperbolic tangent, which loses nothing near zero."""
        t = self.tanh(x * 0.5)
        return self.where(self.abs(x) < 0.5, 2 * t / (1 - t), self.exp(x) - 1)

    def log1p(self, x: Any) -> Any:
        y = 1 + x
        moved = self.log(y) * (x / (y - 1))
        return self.where(self.equal(y, 1), x, self.where(y > 3e38, self.log(y), moved))

    def normal_cdf(self, x: Any) -> Any:
        return 0.5 * (1 + self.erf(x * (1 / sqrt(2))))


_SCALE, _CUBE = sqrt(2 / pi), 0.044715


def _gelu_tanh_slope(m: Any, x: Any) -> Any:
    t = m.tanh(_SCALE * (x + _CUBE * x * x * x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _SCALE * (1 + 3 * _CUBE * x * x)


def _silu_slope(m: Any, x: Any) -> Any:
    s = m.sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_slope(m: Any, x: Any) -> Any:
    return m.normal_cdf(x) + x * m.exp(-0.5 * x * x) * (1 / sqrt(2 * pi))


def _root(m: Any, v: Any, power: Any, eps: float) -> Any:
    return m.sqrt(v) / m.sqrt(1 - power) + eps


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda m, x: m.where(x > 0, x, 0.0),
    "relu6": lambda m, x: m.clip(x, 0, 6),
    "hard_sigmoid": lambda m, x: m.clip(x + 3, 0, 6) * (1 / 6),
    "leaky_relu": lambda m, x, slope: m.where(x > 0, x, x * slope),
    "sigmoid": lambda m, x: m.sigmoid(x),
    "sigmoid_dx": lambda m, g, y: g * (y * (1 - y)),
    "tanh": lambda m, x: m.tanh(x),
    "tanh_dx": lambda m, g, y: g * (1 - y * y),
    "silu": lambda m, x: x * m.sigmoid(x),
    "silu_dx": lambda m, g, x: g * _silu_slope(m, x),
    "gelu": lambda m, x: x * m.normal_cdf(x),
    "gelu_dx": lambda m, g, x: g * _gelu_slope(m, x),
    "gelu_tanh": lambda m, x: 0.5 * x * (1 + m.tanh(_SCALE * (x + _CUBE * x * x * x))),
    "gelu_tanh_dx": lambda m, g, x: g * _gelu_tanh_slope(m, x),
    "hard_swish": lambda m, x: x * m.clip(x + 3, 0, 6) * (1 / 6),
    "hard_swish_dx": lambda m, g, x: g * m.where(
        x <= -3, 0.0, m.where(x < 3, x * (1 / 3) + 0.5, 1.0)
    ),
    "add": lambda m, a, b: a + b,
    "sub": lambda m, a, b: a - b,
    "mul": lambda m, a, b: a * b,
    "scale": lambda m, x, factor: x * factor,
    "offset": lambda m, x, term: x + term,
    "momentum": lambda m, v, g, factor: factor * v + g,
    "moment1": lambda m, v, g, beta: v + (1 - beta) * (g - v),
    "moment2": lambda m, v, g, beta: beta * v + (1 - beta) * g * g,
    "decay": lambda m, power, factor: power * factor,
    "accumulate": lambda m, total, g, factor: total + factor * g,
    "clear": lambda m, total: total * 0,
    "sgd_keeping": lambda m, p, g, lr: p - lr * g,
    "adam_direction": lambda m, v, w, power1, power2, eps: v / (1 - power1) / _root(
        m, w, power2, eps
    ),
    "rmsprop_direction": lambda m, g, v, eps: g / (m.sqrt(v) + eps),
    "clip": lambda m, x, low, high, inclusive: m.clip(x, low, high),
}  # fmt: skip
"""Those that `ops/formula` does not write as formulas."""


def _row(formula: Callable[..., Any]) -> Callable[..., str]:
    def row(at: Emitter, n: Node, *names: str) -> str:
        made = formula(Functions(at), *(Term(at, name) for name in names), **n.attrs)
        return _name(at, made)

    return row


for _op, _formula in {**FORMULAS, **ACTIVATIONS}.items():
    EMITTED[_op] = Row(_row(_formula), free=True)
EMITTED["relu"] = Row(lambda at, n, x: at.op("Relu", x), free=True)
