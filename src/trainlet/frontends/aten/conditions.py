"""Comparisons, what is made of them, and choices by them.

A computed condition is a float32 tensor of ones where it holds and zeros where it does not.
"""

from __future__ import annotations

from math import inf

import numpy as np

from trainlet.frontends.aten.elementwise import chosen, tensor
from trainlet.frontends.aten.reductions import amax, amin
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import HIDDEN, Importer, number
from trainlet.ir.graph import Node

Operand = Node | float


def _compared(at: Importer, op: str, a: Operand, b: Operand) -> Node:
    if op == "equal" and isinstance(a, Node) and b in (inf, -inf):
        above = _compared(at, "lt", 0.0, a) if b == inf else _compared(at, "lt", a, 0.0)
        return at.build("mul", _infinite(at, a), above)
    return at.build(op, tensor(at, a), tensor(at, b))


def _not(at: Importer, x: Node) -> Node:
    """Of a number, whether it is zero."""
    return _compared(at, "equal", x, 0.0)


def _truth(at: Importer, x: Node) -> Node:
    return x if _is_condition(x) else _not(at, _not(at, x))


def _is_condition(x: Node) -> bool:
    return x.op in ("lt", "le", "equal")


aten("lt", conditions=True)(lambda at, a, b: _compared(at, "lt", a, b))
aten("le", conditions=True)(lambda at, a, b: _compared(at, "le", a, b))
aten("gt", conditions=True)(lambda at, a, b: _compared(at, "lt", b, a))
aten("ge", conditions=True)(lambda at, a, b: _compared(at, "le", b, a))
aten("eq", conditions=True)(lambda at, a, b: _compared(at, "equal", a, b))
aten("ne", conditions=True)(lambda at, a, b: _not(at, _compared(at, "equal", a, b)))
aten("logical_not", "bitwise_not", conditions=True)(_not)
aten("isnan", conditions=True)(lambda at, x: _not(at, _compared(at, "equal", x, x)))


@aten("isfinite", conditions=True)
def _finite(at: Importer, x: Node) -> Node:
    """Of what is not, x - x is not zero."""
    return _not(at, at.build("sub", x, x))


@aten("isinf", conditions=True)
def _infinite(at: Importer, x: Node) -> Node:
    return at.build("sub", _compared(at, "equal", x, x), _finite(at, x))


aten("isposinf", conditions=True)(lambda at, x: _compared(at, "equal", x, inf))
aten("isneginf", conditions=True)(lambda at, x: _compared(at, "equal", x, -inf))


aten("any", conditions=True)(lambda at, x, *rest: amax(at, _truth(at, x), *rest))
aten("all", conditions=True)(lambda at, x, *rest: amin(at, _truth(at, x), *rest))


@aten("logical_and", "bitwise_and", "__and__", conditions=True)
def _and(at: Importer, a: Node, b: Node) -> Node:
    return at.build("mul", _truth(at, a), _truth(at, b))


@aten("logical_or", "bitwise_or", "__or__", conditions=True)
def _or(at: Importer, a: Node, b: Node) -> Node:
    return at.build("maximum", _truth(at, a), _truth(at, b))


@aten("logical_xor", "bitwise_xor", "__xor__", conditions=True)
def _xor(at: Importer, a: Node, b: Node) -> Node:
    return _not(at, at.build("equal", _truth(at, a), _truth(at, b)))


@aten("where", conditions=True)
def _where(at: Importer, condition: Node, a: Operand, b: Operand) -> Node:
    known = at.tensors.get(condition)
    if known is not None:
        here = known.numpy() != 0
        return at.build("add", filled(at, a, here), filled(at, b, ~here))
    first, second = (tensor(at, float(HIDDEN) if x == -inf else x) for x in (a, b))
    return chosen(at, condition, first, second)


@aten("tril")
def _tril(at: Importer, x: Node, diagonal: int) -> Node:
    return at.build("where_true", _triangle(at, x, diagonal), x)


@aten("triu")
def _triu(at: Importer, x: Node, diagonal: int) -> Node:
    return at.build("where_false", _triangle(at, x, diagonal - 1), x)


def _triangle(at: Importer, x: Node, diagonal: int) -> Node:
    """Ones at the diagonal and below."""
    rows, columns = x.type.shape[-2:]
    return at.const(np.tri(rows, columns, diagonal), f"{at.label}.triangle")


@aten("masked_fill")
def _masked_fill(at: Importer, x: Node, mask: Node, value: Operand) -> Node:
    return _where(at, mask, value, x)


def filled(at: Importer, x: Operand, here: np.ndarray) -> Node:
    """x there, elsewhere zero."""
    if isinstance(x, Node) and x.op != "const":
        return at.build("mul", x, at.const(here.astype(np.float32), f"{at.label}.chosen"))
    if isinstance(x, Node):
        value = at.values[x.name]
    else:
        value = HIDDEN if x == -np.inf else np.float32(number(x, "the value"))
    return at.const(np.where(here, value, np.float32(0)), f"{at.label}.filled")
