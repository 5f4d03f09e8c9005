"""In which order the axes of each value lie, and what it is called.

Our graph keeps the channels of maps last; convolutions in ONNX read them first.  A value is made in
the order that its operator makes, and is transposed only for a reader that needs another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

from trainlet.backends.onnx.emitter import EMITTED, Emitter, Order, keeps_sequence, reordered
from trainlet.ir.graph import Node
from trainlet.ops.layout import inverse
from trainlet.ops.op import OPS

Leaf = Callable[[Node, Order], tuple[str, Order]]
"""(leaf, the order in which it is read first) -> its name, and the order in which it lies"""


@dataclass
class Value:
    """A node's array: its shape in our order, and its names in ONNX by order."""

    shape: tuple[int, ...]
    names: dict[Order, str] = field(default_factory=dict)

    @property
    def plain(self) -> Order:
        return tuple(range(len(self.shape)))

    @property
    def order(self) -> Order:
        """In which it was made."""
        return next(iter(self.names))


class Values:
    """Writes the nodes of a graph, one after the other."""

    def __init__(self, at: Emitter, nodes: Sequence[Node], leaf: Leaf) -> None:
        self.at, self.leaf, self.known = at, leaf, dict[Node, Value]()
        self.wanted = _wanted(nodes)

    def write(self, n: Node) -> None:
        """Append the operators of a node that is no leaf."""
        row, layout = EMITTED[n.op], OPS[n.op].layout
        if layout and layout.permutes:
            self._permute(n, layout.permutes(n))
        elif row.reduces:
            order = self._summable(n)
            names = [self.take(i, order) for i in n.inputs if i.type.rank == len(order)]
            rest = [self.take(i) for i in n.inputs[len(names) :]]
            self._hold(n, row.write(self.at, n, order, *names, *rest), None)
        elif row.free:
            shape = n.inputs[0].type.shape if row.mask else n.type.shape
            order = self._best(n, len(shape))
            names = [self._aligned(i, shape, order) for i in n.inputs]
            self.at.rank = len(shape)
            made = row.write(self.at, _turned(n, shape, order), *names)
            self.at.rank = 0
            self.known[n] = Value(shape, {order: made})
        else:
            orders = (*row.inputs, *(None for _ in n.inputs[len(row.inputs) :]))
            names = [self.take(i, o) for i, o in zip(n.inputs, orders, strict=False)]
            self._hold(n, row.write(self.at, n, *names), row.result)

    def take(self, n: Node, order: Order | None = None) -> str:
        """The name of a node's array in an order, ours if None."""
        value = self._value(n)
        order = order or value.plain
        if not value.names:
            name, own = self.leaf(n, order)
            value.names[own] = name
        if order not in value.names:
            step = tuple(value.order.index(k) for k in order)
            made = reordered(value.shape, value.order)
            value.names[order] = self._arranged(value.names[value.order], made, step)
        return value.names[order]

    def _value(self, n: Node) -> Value:
        return self.known.setdefault(n, Value(n.type.shape))

    def _hold(self, n: Node, name: str, order: Order | None) -> None:
        self.known[n] = Value(n.type.shape, {order or tuple(range(n.type.rank)): name})

    def _permute(self, n: Node, permutation: Order) -> None:
        """Axis k of the node is axis permutation[k] of its input: there is nothing to compute."""
        self.take(n.inputs[0], self._best(n.inputs[0], n.type.rank))
        moved = inverse(permutation)
        names = self._value(n.inputs[0]).names
        found = {tuple(moved[k] for k in order): name for order, name in names.items()}
        self.known[n] = Value(n.type.shape, found)

    def _summable(self, n: Node) -> Order:
        """The order of the first input, unless the sum's axes would then change their sequence."""
        first = n.inputs[0]
        order = self._best(first, first.type.rank)
        after = (1,) * (first.type.rank - n.type.rank) + n.type.shape
        return order if keeps_sequence(after, order) else tuple(range(first.type.rank))

    def _best(self, n: Node, rank: int) -> Order:
        """The order of the node, or of the largest operand that is there already; else the one in
        which it is wanted."""
        there = [i for i in (n, *n.inputs) if self._value(i).names]
        full = [i for i in there if len(self._value(i).shape) == rank]
        if full and full[0] is n:
            return self._value(n).order
        if full:
            return self._value(max(full, key=lambda i: (i.type.size, not i.is_leaf))).order
        return self.wanted.get(n, tuple(range(rank)))

    def _aligned(self, n: Node, shape: tuple[int, ...], order: Order) -> str:
        """The name of an operand of a node of that shape, which lies in the order."""
        own = self._value(n).shape
        if own != shape and prod(own) == prod(shape):  # a mask of another view is one of these
            return self._arranged(self.at.reshape(self.take(n), shape), shape, order)
        if len(own) == len(shape):
            return self.take(n, order)
        if own and order == tuple(range(len(shape))):
            return self.take(n)
        padded = _padded(own, len(shape))
        return self._arranged(self.at.reshape(self.take(n), padded), padded, order)

    def _arranged(self, name: str, shape: tuple[int, ...], order: Order) -> str:
        """An array of this shape in another order."""
        if keeps_sequence(shape, order):
            return self.at.reshape(name, reordered(shape, order))
        return self.at.transpose(name, *order)


def _padded(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + shape


def _turned(n: Node, shape: tuple[int, ...], order: Order) -> Node:
    """The node with its axes, its inputs' and its attribute `axis` in another order."""
    if order == tuple(range(len(shape))):
        return n

    def moved(i: Node) -> Node:
        if len(i.type.shape) > len(shape):
            return i
        type = i.type.with_shape(reordered(_padded(i.type.shape, len(shape)), order))
        return Node(i.op, i.inputs, type, i.attrs, i.name)

    attrs = dict(n.attrs)
    if "axis" in attrs:
        attrs["axis"] = order.index(attrs["axis"] % len(shape))
    type = n.type if len(n.type.shape) != len(shape) else moved(n).type
    return Node(n.op, tuple(map(moved, n.inputs)), type, attrs, n.name)


def _wanted(nodes: Sequence[Node]) -> dict[Node, Order]:
    """The order in which the first reader that has one reads each node."""
    found: dict[Node, Order] = {}
    for n in reversed(nodes):
        row = EMITTED.get(n.op)
        if row is None:
            continue
        for k, i in enumerate(n.inputs):
            order = row.inputs[k] if k < len(row.inputs) else None
            if row.free and i.type.rank == n.type.rank:
                order = found.get(n)
            if order:
                found[i] = order
    return found
