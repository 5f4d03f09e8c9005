"""What the attributes of a `repeat` node say: where its inputs stand and its results lie.

The result is one flat tensor.  Of a stacked state it has a slot for each turn and one for the
initial value, so that the states before each turn and those after it are two views of the same
slots; of a stacked value it has a slot for each turn.  Slot k is that of slice k of the stacked
inputs, also where the loop runs from the last slice to the first.  Results of several element types
lie in one tensor of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainlet.ir.body import Body
from trainlet.ir.graph import Node
from trainlet.ir.types import DType, TensorType
from trainlet.ops.op import build
from trainlet.ops.repeat.body import values_of

STATES, LAST, EACH = "states", "last", "each"


ALIGN = 8
"""Where the slots of a type begin among bytes."""


@dataclass(frozen=True)
class Slots:
    """Slots of one type in the result: the first element of the result, how many slots, and the
    elements of the result that one takes."""

    type: TensorType
    start: int
    count: int
    step: int

    @property
    def size(self) -> int:
        """Elements of the result that all slots take."""
        return self.count * self.step


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
        mixed, found, start = len({value.type.dtype for _, _, value, _ in wanted}) > 1, {}, 0
        for kind, k, value, count in wanted:
            step = value.type.nbytes if mixed else value.type.size
            start += -start % ALIGN if mixed else 0
            found[kind, k] = Slots(value.type, start, count, step)
            start += step * count
        return found

    @property
    def result(self) -> TensorType:
        """The type of the result: what its parts are quantised by stands in the views of them."""
        kinds: set[DType] = {slots.type.dtype for slots in self.slots.values()}
        size = max(slots.start + slots.size for slots in self.slots.values())
        return TensorType((size,), kinds.pop() if len(kinds) == 1 else "uint8")

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
    return part(n, slots.start + first * slots.step, slots.type.with_shape(shape))


def part(n: Node, start: int, kind: TensorType, label: str = "") -> Node:
    """What begins at an element of a loop's result, of this type."""
    own = kind.with_shape(())
    attrs = {} if own == n.type.with_shape(()) else {"kind": own}
    return build("view", n, start=start, shape=kind.shape, label=label or n.name, **attrs)


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
