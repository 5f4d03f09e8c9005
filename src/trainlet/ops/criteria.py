"""Losses that are made of other operators.

Each takes the predictions that it reads and its target, where it has one, and gives one number.
`d` in formulas is prediction - target, or the distance of two predictions.
"""

from __future__ import annotations

from math import prod

from trainlet.errors import ShapeError
from trainlet.ir.graph import Node
from trainlet.ops.op import build

EPSILON = 1e-6
"""What torch's pairwise distance adds to each difference."""
COSINE = 1e-12
"""What torch's cosine embedding loss adds to each squared length."""


def mean(x: Node) -> Node:
    return build("sum_to", x, shape=(), factor=1 / x.type.size)


def l1(z: Node, target: Node) -> Node:
    """mean |d|"""
    return mean(build("abs", build("sub", z, target)))


def huber(z: Node, target: Node, delta: float, factor: float = 1.0) -> Node:
    """factor times the mean of d^2 / 2 where |d| < delta, else delta (|d| - delta / 2)."""
    size = build("abs", build("sub", z, target))
    near = build("clip", size, low=0.0, high=delta, inclusive=True)
    far = build("scale", build("sub", size, near), factor=delta * factor)
    inside = build("scale", build("square", near), factor=factor / 2)
    return mean(build("add", inside, far))


def smooth_l1(z: Node, target: Node, beta: float) -> Node:
    """Huber's loss over beta."""
    return huber(z, target, beta, 1 / beta)


def rows_of_classes(z: Node, label: Node) -> tuple[Node, Node]:
    """Logits [N,C] and labels [N]; of [N,C,..] and [N,..] a row for each position."""
    if z.type.rank < 2:
        raise ShapeError(
            f"the loss's output is {z.type}; allowed: logits [N,C] or [N,C,..] of a batch.  Give "
            "the network an example with a first dimension of 1"
        )
    if z.type.rank == 2:
        return z, label
    last = (0, *range(2, z.type.rank), 1)
    moved = build("permute", z, permutation=last)
    rows, classes = prod(label.type.shape), z.type.shape[1]
    flat = build("reshape", moved, shape=(rows, classes))
    return flat, build("reshape", label, shape=(rows,))


def _distance(a: Node, b: Node) -> Node:
    """||a - b + 1e-6|| of each row, [N,1]."""
    apart = build("offset", build("sub", a, b), term=EPSILON)
    return build("norm_sqrt", _sums(build("square", apart)))


def _sums(x: Node) -> Node:
    """The sum of each row, [N,1]."""
    return build("sum_to", x, shape=(x.type.shape[0], 1))


def _column(target: Node) -> Node:
    return build("reshape", target, shape=(target.type.size, 1))


def _is(target: Node, value: float) -> Node:
    """1 where the target is the value, else 0."""
    values = build("offset", build("scale", target, factor=0.0), term=value)
    return build("equal", target, values)


def triplet_margin(anchor: Node, positive: Node, negative: Node, margin: float) -> Node:
    """mean max(0, d(anchor, positive) - d(anchor, negative) + margin)"""
    apart = build("sub", _distance(anchor, positive), _distance(anchor, negative))
    return mean(build("relu", build("offset", apart, term=margin)))


def contrastive(a: Node, b: Node, target: Node, margin: float) -> Node:
    """mean (t d^2 + (1 - t) max(0, margin - d)^2) / 2, t is 1 for two of a kind, else 0."""
    same, d = _column(target), _distance(a, b)
    short = build("relu", build("offset", build("scale", d, factor=-1.0), term=margin))
    other = build("offset", build("scale", same, factor=-1.0), term=1.0)
    near, far = (build("square", x) for x in (d, short))
    both = build("add", build("mul", near, same), build("mul", far, other))
    return build("scale", mean(both), factor=0.5)


def cosine_embedding(a: Node, b: Node, target: Node, margin: float) -> Node:
    """mean 1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1."""
    squares = (build("offset", _sums(build("square", x)), term=COSINE) for x in (a, b))
    length = build("sqrt", build("mul", *squares))
    cosine = build("div", _sums(build("mul", a, b)), length)
    same, other = (_is(_column(target), sign) for sign in (1.0, -1.0))
    near = build("offset", build("scale", cosine, factor=-1.0), term=1.0)
    far = build("relu", build("offset", cosine, term=-margin))
    return mean(build("add", build("mul", near, same), build("mul", far, other)))


def own_loss(z: Node) -> Node:
    """The output itself, the mean of its elements."""
    return mean(z) if z.type.size > 1 else build("reshape", z, shape=())
