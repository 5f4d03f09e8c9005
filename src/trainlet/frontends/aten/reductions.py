"""Sums, means, extremes, variances and norms over any dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.elementwise import scaled
from trainlet.frontends.aten.functions import power
from trainlet.frontends.aten.shaping import transpose
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node
from trainlet.ops.clip import LARGEST

Dims = int | Sequence[int] | None


def _axes(x: Node, dims: Dims) -> set[int]:
    """The dimensions that are reduced: all if none is named."""
    rank = max(x.type.rank, 1)
    named = [dims] if isinstance(dims, int) else dims
    return {d % rank for d in (named or range(x.type.rank))} if x.type.rank else set()


def _count(x: Node, dims: Dims) -> int:
    return prod(x.type.shape[k] for k in _axes(x, dims))


def reduced(at: Importer, op: str, x: Node, dims: Dims, keepdim: bool, **attrs: float) -> Node:
    """An operation over some dimensions, over all if none is named."""
    axes = _axes(x, dims)
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.type.shape))
    y = at.build(op, x, shape=kept, **attrs)
    if keepdim:
        return y
    return at.reshape(y, [n for k, n in enumerate(x.type.shape) if k not in axes])


@aten("mean")
def mean(at: Importer, x: Node, dims: Dims = None, keepdim: bool = False) -> Node:
    return reduced(at, "sum_to", x, dims, keepdim, factor=1 / _count(x, dims))


@aten("sum")
def _sum(at: Importer, x: Node, dims: Dims = None, keepdim: bool = False) -> Node:
    return reduced(at, "sum_to", x, dims, keepdim)


@aten("amax")
def amax(at: Importer, x: Node, dims: Dims = None, keepdim: bool = False) -> Node:
    """Equal elements share the gradient."""
    return reduced(at, "max_to", x, dims, keepdim)


@aten("amin")
def amin(at: Importer, x: Node, dims: Dims = None, keepdim: bool = False) -> Node:
    return scaled(at, amax(at, scaled(at, x, -1), dims, keepdim), -1)


@aten("max")
def _max(at: Importer, x: Node, dim: Node | int | None = None, keepdim: bool = False) -> Any:
    """The first of equal elements gets the gradient, unless it is the largest of all."""
    if dim is None:
        return amax(at, x)
    if isinstance(dim, Node):
        return at.build("maximum", x, dim)
    axis, shape = dim % max(x.type.rank, 1), x.type.shape
    if not shape:
        return [x]
    length, rest = shape[axis], x.type.size // shape[axis]
    moved = at.permute(x, axis, *(k for k in range(len(shape)) if k != axis))
    window = {"kernel": (length, 1), "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
    first = at.build("max_pool", at.reshape(moved, (1, length, 1, rest)), **window)
    kept = [*shape[:axis], *([1] if keepdim else []), *shape[axis + 1 :]]
    return [at.reshape(first, kept)]


@aten("min")
def _min(at: Importer, x: Node, dim: Node | int | None = None, keepdim: bool = False) -> Any:
    if dim is None:
        return amin(at, x)
    if isinstance(dim, Node):
        return at.build("minimum", x, dim)
    (largest,) = _max(at, scaled(at, x, -1), dim, keepdim)
    return [scaled(at, largest, -1)]


def _variance(
    at: Importer, x: Node, dims: Dims, correction: float | None, keepdim: bool
) -> tuple[Node, Node]:
    """Variance and mean.  The gradient of the mean adds up to zero, so it is left out."""
    if isinstance(dims, bool):  # var(x, unbiased)
        dims, correction = None, dims
    freedom = _count(x, dims) - (1 if correction is None else number(correction, "correction"))
    if freedom <= 0:
        raise UnsupportedError(
            f"a variance of {_count(x, dims)} elements with correction {correction}, which is "
            "divided by zero; pass correction=0"
        )
    centre = mean(at, x, dims, True)
    apart = at.build("square", at.build("sub", x, at.build("detach", centre)))
    spread = reduced(at, "sum_to", apart, dims, keepdim, factor=1 / freedom)
    return spread, centre if keepdim else at.reshape(centre, spread.type.shape)


@aten("var")
def _var(
    at: Importer, x: Node, dims: Dims = None, correction: float | None = None, keep: bool = False
) -> Node:
    return _variance(at, x, dims, correction, keep)[0]


@aten("std")
def _std(
    at: Importer, x: Node, dims: Dims = None, correction: float | None = None, keep: bool = False
) -> Node:
    """At zero it has the gradient zero, as in torch."""
    return at.build("norm_sqrt", _var(at, x, dims, correction, keep))


@aten("var_mean")
def _var_mean(
    at: Importer, x: Node, dims: Dims = None, correction: float | None = None, keep: bool = False
) -> list[Node]:
    return list(_variance(at, x, dims, correction, keep))


@aten("std_mean")
def _std_mean(
    at: Importer, x: Node, dims: Dims = None, correction: float | None = None, keep: bool = False
) -> list[Node]:
    spread, centre = _variance(at, x, dims, correction, keep)
    return [at.build("norm_sqrt", spread), centre]


@aten("linalg_vector_norm")
def _norm(
    at: Importer, x: Node, order: float = 2, dims: Dims = None, keepdim: bool = False
) -> Node:
    """With the gradient zero at zero, as in torch."""
    if order == 2:
        squares = reduced(at, "sum_to", at.build("square", x), dims, keepdim)
        return at.build("norm_sqrt", squares)
    sizes = at.build("abs", x)
    if order == inf:
        return amax(at, sizes, dims, keepdim)
    if order == -inf:
        return amin(at, sizes, dims, keepdim)
    if order == 0:
        zero = at.build("equal", x, at.const(np.zeros(()), f"{at.label}.zero"))
        return reduced(at, "sum_to", at.build("offset", scaled(at, zero, -1), term=1.0), dims,
                       keepdim)  # fmt: skip
    order = number(order, "ord")
    if order < 1:
        raise UnsupportedError(f"ord={order}, which has no gradient where an element is zero; "
                               "allowed: 0, numbers from 1, and both infinities")  # fmt: skip
    total = reduced(at, "sum_to", power(at, sizes, order), dims, keepdim)
    if order == 1:
        return total
    none = at.build("equal", total, at.const(np.zeros(()), f"{at.label}.zero"))
    return at.build("sub", power(at, at.build("add", total, none), 1 / order), none)


@aten("logsumexp")
def _logsumexp(at: Importer, x: Node, dims: Dims, keepdim: bool = False) -> Node:
    """Shifted by the largest, which gets no gradient."""
    top = at.build("detach", amax(at, x, dims, True))
    exps = at.build("exp", at.build("sub", x, top))
    total = at.build("log", reduced(at, "sum_to", exps, dims, keepdim))
    return at.build("add", total, top if keepdim else at.reshape(top, total.type.shape))


@aten("log_softmax", "_log_softmax")
def _log_softmax(at: Importer, x: Node, axis: int, half_to_float: bool = False) -> Node:
    if half_to_float:
        raise UnsupportedError("half_to_float=True; allowed: False")
    last = x.type.rank - 1
    if axis % x.type.rank == last:
        return at.build("log_softmax", x)
    moved = transpose(at, x, axis, last)
    return transpose(at, at.build("log_softmax", moved), axis, last)


@aten("cosine_similarity")
def _cosine(at: Importer, a: Node, b: Node, axis: int, eps: float) -> Node:
    """The product of the two directions; a norm is eps at least."""
    shape = np.broadcast_shapes(a.type.shape, b.type.shape)
    a, b = (x if x.type.shape == shape else at.build("broadcast_to", x, shape=shape)
            for x in (a, b))  # fmt: skip
    least = {"low": number(eps, "eps"), "high": LARGEST, "inclusive": True}
    norms = (at.build("clip", _norm(at, x, 2, axis, True), **least) for x in (a, b))
    first, second = (at.build("div", x, n) for x, n in zip((a, b), norms, strict=True))
    return _sum(at, at.build("mul", first, second), axis)


@aten("cumsum")
def _cumsum(at: Importer, x: Node, axis: int) -> Node:
    """A product with a triangle of ones."""
    last = x.type.rank - 1
    moved = transpose(at, x, axis, last)
    size = moved.type.shape[-1]
    ones = at.const(np.tril(np.ones((size, size))), f"{at.label}.triangle")
    return transpose(at, at.build("linear", moved, ones), axis, last)
