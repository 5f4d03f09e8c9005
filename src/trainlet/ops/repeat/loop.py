"""What the attributes of a `repeat` node say: where its inputs stand and its results lie.

The result is one flat tensor.  Of a stacked state it has a slot for each turn and one for the
initial value, so that the states before each turn and those after it are two views of the same
slots; of a stacked value it has a slot for each turn.  Slot k is that of slice k of the stacked
inputs, also where the loop runs from the last slice to the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainlet.ir.body import Body
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build
from trainlet.ops.repeat.body import values_of

STATES, LAST, EACH = "states", "last", "each"


@dataclass(frozen=True)
class Slots:
    """Slots of one type in the result: the first element, and how many slots."""

    type: TensorType
    start: int
    count: int


@dataclass(frozen=True)
class Loop:
    """body:    what one turn computes
    count:   number of turns
    reverse: whether the loop runs from the last slice to the first
    zeros:   the states that begin with zeros and have no input
    stacked: the states of which all values are results
    last:    the states of which the last value alone is a result
    """

    body: Body
    count: int
    reverse: bool = False
    zeros: tuple[int, ...] = ()
    stacked: tuple[int, ...] = ()
    last: tuple[int, ...] = ()

    @staticmethod
    def of(attrs: Mapping[str, Any]) -> Loop:
        """The loop of a node's attributes."""
        return Loop(**attrs)

    @property
    def values(self) -> tuple[Node, ...]:
        """The values of one turn."""
        return values_of(self.body)

    @property
    def fixed(self) -> range:
        """The numbers of the inputs that are the same in every turn."""
        return range(self.body.states + self.body.slices, len(self.body.inputs))

    @property
    def sliced(self) -> range:
        """The numbers of the inputs of which each turn reads a slice."""
        return range(self.body.states, self.body.states + self.body.slices)

    @cached_property
    def position(self) -> dict[int, int]:
        """For the number of a body's input, the position of the node's input."""
        given = (k for k in range(len(self.body.inputs)) if k not in self.zeros)
        return {k: position for position, k in enumerate(given)}

    @cached_property
    def slots(self) -> dict[tuple[str, int], Slots]:
        """The results, in the order in which they lie."""
        wanted = [(STATES, k, self.values[k], self.count + 1) for k in self.stacked]
        wanted += [(LAST, k, self.values[k], 1) for k in self.last]
        wanted += [(EACH, k, self.values[n], self.count) for k, n in enumerate(self.body.each)]
        found, start = {}, 0
        for kind, k, value, count in wanted:
            found[kind, k] = Slots(value.type, start, count)
            start += value.type.size * count
        return found

    @property
    def first_result(self) -> int:
        """The number of a value that is a result: all have its type of elements."""
        kind, k = next(iter(self.slots))
        return self.body.each[k] if kind == EACH else self.body.after[k]

    @property
    def size(self) -> int:
        """Elements of the result."""
        return sum(s.type.size * s.count for s in self.slots.values())

    @property
    def before(self) -> int:
        """The slot of a stacked state before the turn of slice 0."""
        return int(self.reverse)

    @property
    def after(self) -> int:
        """The slot of a stacked state after the turn of slice 0."""
        return int(not self.reverse)

    @property
    def initial(self) -> int:
        """The slot of a stacked state's initial value."""
        return self.count if self.reverse else 0

    @property
    def final(self) -> int:
        """The slot of a stacked state's last value."""
        return 0 if self.reverse else self.count


def _slots(n: Node, key: tuple[str, int], first: int, count: int | None) -> Node:
    slots = Loop.of(n.attrs).slots[key]
    shape = slots.type.shape if count is None else (count, *slots.type.shape)
    start = slots.start + first * slots.type.size
    return build("view", n, start=start, shape=shape, label=n.name)


def before(n: Node, state: int) -> Node:
    """A stacked state before each turn: [count, *state]."""
    loop = Loop.of(n.attrs)
    return _slots(n, (STATES, state), loop.before, loop.count)


def after(n: Node, state: int) -> Node:
    """A stacked state after each turn: [count, *state]."""
    loop = Loop.of(n.attrs)
    return _slots(n, (STATES, state), loop.after, loop.count)


def last(n: Node, state: int) -> Node:
    """A state after the last turn."""
    loop = Loop.of(n.attrs)
    if state in loop.stacked:
        return _slots(n, (STATES, state), loop.final, None)
    return _slots(n, (LAST, state), 0, None)


def each(n: Node, k: int) -> Node:
    """A stacked value: [count, *value]."""
    return _slots(n, (EACH, k), 0, Loop.of(n.attrs).count)
