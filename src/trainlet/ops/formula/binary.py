"""The functions of two operands, which broadcast.

Comparisons are one where they hold, else zero: a condition is a number here.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ops.clip import LARGEST
from trainlet.ops.elementwise import product_gradient, reduced
from trainlet.ops.formula.functions import Value
from trainlet.ops.formula.record import Binary, register_binary
from trainlet.ops.formula.unary import STEEP, power
from trainlet.ops.op import Thunk, build


def _ties(rng: np.random.Generator) -> np.ndarray:
    """Small whole numbers, many of them equal."""
    return rng.integers(-2, 3, 64).astype(np.float32)


def _above_zero(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.3, 3, 64).astype(np.float32)


def _compared(how: str) -> Binary:
    """A condition, which has no derivative."""

    def value(m: Value, p: Value, q: Value) -> Value:
        holds = {"lt": lambda: p < q, "le": lambda: p <= q, "equal": lambda: m.equal(p, q)}
        return m.where(holds[how](), 1.0, 0.0)

    return Binary(value, draw=_ties)


def _div_gradients(n: Node, g: Node) -> list[Thunk | None]:
    """g / q, and -y g / q of the quotient y."""
    q = n.inputs[1]

    def part() -> Node:
        return build("div", g, q, label=n.name)

    def of_divisor() -> Node:
        return build("scale", product_gradient(n, part(), q, n), factor=-1.0, label=n.name)

    return [lambda: reduced(part(), n.inputs[0]), of_divisor]


def _chosen_gradients(n: Node, g: Node) -> list[Thunk | None]:
    condition, chosen = n.inputs
    return [None, lambda: reduced(build(n.op, condition, g, label=n.name), chosen)]


def _prelu_gradients(n: Node, g: Node) -> list[Thunk | None]:
    x, slope = n.inputs

    def of_slope() -> Node:
        below = build("clip", x, low=-LARGEST, high=0.0, inclusive=True, label=n.name)
        return product_gradient(n, g, slope, below)

    return [lambda: product_gradient(n, g, x, build("prelu_da", x, slope)), of_slope]


BINARY = {
    "div": Binary(lambda m, p, q: p / q, vjp=_div_gradients, draw=_above_zero),
    "maximum": Binary(
        lambda m, p, q: m.where(p > q, p, m.where(m.equal(p, p), q, p)),
        (
            lambda m, p, q: m.where(p > q, 1.0, m.where(p < q, 0.0, 0.5)),
            lambda m, p, q: m.where(q > p, 1.0, m.where(q < p, 0.0, 0.5)),
        ),
    ),
    "minimum": Binary(
        lambda m, p, q: m.where(p < q, p, m.where(m.equal(p, p), q, p)),
        (
            lambda m, p, q: m.where(p < q, 1.0, m.where(p > q, 0.0, 0.5)),
            lambda m, p, q: m.where(q < p, 1.0, m.where(q > p, 0.0, 0.5)),
        ),
    ),
    "prelu": Binary(
        lambda m, p, q: m.where(p > 0, p, p * q),
        (lambda m, p, q: m.where(p > 0, 1.0, q), None),
        vjp=_prelu_gradients,
    ),
    "pow_to": Binary(
        power,
        (
            lambda m, p, q: m.where(m.equal(q, 0), 0.0, q * power(m, p, q - 1)),
            lambda m, p, q: m.where(m.equal(p, 0) & (q >= 0), 0.0, power(m, p, q) * m.log(p)),
        ),
        draw=_above_zero,
        tolerance=STEEP,
    ),
    "where_true": Binary(
        lambda m, p, q: m.where(m.equal(p, 0), 0.0, q), vjp=_chosen_gradients, draw=_ties
    ),
    "where_false": Binary(
        lambda m, p, q: m.where(m.equal(p, 0), q, 0.0), vjp=_chosen_gradients, draw=_ties
    ),
    "lt": _compared("lt"),
    "le": _compared("le"),
    "equal": _compared("equal"),
}

for _name, _function in BINARY.items():
    register_binary(_name, _function)
