"""From an order to steps, which give the live bytes of any other order of the same graph without
making its buffers.

A step is a node that takes memory.  An alias takes none, and an update only frees: both follow as
soon as they can, so an order of the steps is an order of the graph.  Sets of steps are integers
with a bit for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.planning.buffers import aligned, in_arena, storage_of
from trainlet.planning.order.schedule import before


@dataclass(frozen=True)
class StepValue:
    """size: bytes; maker: the step that makes it, None for an input; readers: a set of steps."""

    size: int
    maker: int | None
    readers: int


@dataclass(frozen=True)
class Steps:
    """nodes:    of the steps, in an order in which they can run
    first:    the steps that must run before each
    values:   all that lies in the arena
    made:     the value that each step makes; None if it only has work space
    in_place: the values whose storage a step's result takes if nobody reads them later
    scratch:  bytes of work space of each step
    waits:    what each node of the graph, step or not, waits for
    """

    nodes: NodeOrder
    first: tuple[int, ...]
    values: tuple[StepValue, ...]
    made: tuple[int | None, ...]
    in_place: tuple[tuple[int, ...], ...]
    scratch: tuple[int, ...]
    waits: dict[Node, set[Node]]

    @cached_property
    def earlier(self) -> tuple[int, ...]:
        """All steps that run before each, whatever the order."""
        table: list[int] = []
        for first in self.first:
            for j in members(first):
                first |= table[j]
            table.append(first)
        return tuple(table)

    @cached_property
    def later(self) -> tuple[int, ...]:
        """All steps that run after each, whatever the order."""
        table = [0] * len(self.nodes)
        for k in reversed(range(len(table))):
            for j in members(self.next[k]):
                table[k] |= 1 << j | table[j]
        return tuple(table)

    @cached_property
    def next(self) -> tuple[int, ...]:
        """The steps that wait for each."""
        table = [0] * len(self.nodes)
        for k, first in enumerate(self.first):
            for j in members(first):
                table[j] |= 1 << k
        return tuple(table)

    @cached_property
    def read(self) -> tuple[tuple[int, ...], ...]:
        """The values that each step reads."""
        table: list[list[int]] = [[] for _ in self.nodes]
        for k, value in enumerate(self.values):
            for reader in members(value.readers):
                table[reader].append(k)
        return tuple(map(tuple, table))

    def levels(self, order: Sequence[int]) -> list[int]:
        """Bytes alive at each step of an order, work space included."""
        run, levels = 0, []
        alive = sum(v.size for v in self.values if v.maker is None and v.readers)
        for n in order:
            during, after = self.growth(n, run)
            levels.append(alive + during)
            alive += after
            run |= 1 << n
        return levels

    def growth(self, n: int, run: int) -> tuple[int, int]:
        """Bytes that step n adds to those alive while it runs, and when it has run; the steps `run`
        have run before it."""
        values, result, rest = self.values, self.made[n], ~(run | 1 << n)
        during, after = self.scratch[n], 0
        if result is not None:
            made = values[result]
            for v in self.in_place[n]:
                if not values[v].readers & rest:
                    break
            else:
                during += made.size
            if made.readers & rest:
                after = made.size
        for v in self.read[n]:
            value = values[v]
            if not value.readers & rest and (value.maker is None or run >> value.maker & 1):
                after -= value.size
        return during, after

    @cached_property
    def watched(self) -> tuple[int, ...]:
        """For each step the steps that its growth depends on: those that make and read the values
        that it makes, reads or takes the storage of."""
        masks = []
        for n, made in enumerate(self.made):
            mask = 0
            for v in (*self.read[n], *self.in_place[n], *(() if made is None else (made,))):
                value = self.values[v]
                mask |= value.readers | (0 if value.maker is None else 1 << value.maker)
            masks.append(mask)
        return tuple(masks)

    def order(self, steps: Sequence[int]) -> NodeOrder:
        """The order of the graph: after each step all that takes no memory and can run."""
        chosen = set(self.nodes)
        waiting = {n: set(earlier) for n, earlier in self.waits.items()}
        followers: dict[Node, list[Node]] = {n: [] for n in waiting}
        for n, earlier in self.waits.items():
            for e in earlier:
                followers[e].append(n)
        done: list[Node] = []
        at_once = [n for n, earlier in self.waits.items() if not earlier and n not in chosen]
        for begin in [at_once, *([self.nodes[k]] for k in steps)]:
            ready = list(begin)
            while ready:
                n = ready.pop()
                done.append(n)
                for f in followers[n]:
                    waiting[f].discard(n)
                    if not waiting[f] and f not in chosen:
                        ready.append(f)
        return tuple(done)


def members(steps: int) -> Iterator[int]:
    """The steps of a set."""
    while steps:
        low = steps & -steps
        yield low.bit_length() - 1
        steps ^= low


def steps_of(graph: Graph, order: NodeOrder) -> Steps:
    """The steps of a graph, numbered as they stand in the order."""
    nodes = tuple(n for n in order if _takes_memory(n))
    number = {n: k for k, n in enumerate(nodes)}
    waits = before(graph)
    first: dict[Node, int] = {}
    for n in order:
        first[n] = 0
        for e in waits[n]:
            first[n] |= 1 << number[e] if e in number else first[e]
    held = [*graph.leaves("input"), *(n for n in nodes if in_arena(n))]
    readers = _readers(order, number, first)
    values = tuple(
        StepValue(aligned(n.type.nbytes), number.get(n), readers.get(n, 0) & ~_bit(number, n))
        for n in held
    )
    value = {n: k for k, n in enumerate(held)}
    scratch = (OPS[n.op].workspace(n) for n in nodes)
    return Steps(
        nodes,
        tuple(first[n] for n in nodes),
        values,
        tuple(value.get(n) for n in nodes),
        tuple(_in_place_values(n, value) for n in nodes),
        tuple(aligned(size) if size else 0 for size in scratch),
        waits,
    )


def _takes_memory(n: Node) -> bool:
    if OPS[n.op].alias:
        return False
    return (in_arena(n) and storage_of(n) is n) or OPS[n.op].workspace(n) > 0


def _bit(number: dict[Node, int], n: Node) -> int:
    return 1 << number[n] if n in number else 0


def _readers(order: NodeOrder, number: dict[Node, int], first: dict[Node, int]) -> dict[Node, int]:
    """The steps that read each storage. A node that is not a step reads when its last dependency
    runs."""
    table: dict[Node, int] = {}
    for n in order:
        if not OPS[n.op].alias:
            for i in n.inputs:
                if in_arena(i):
                    reads = _bit(number, n) or first[n]
                    table[storage_of(i)] = table.get(storage_of(i), 0) | reads
    return table


def _in_place_values(n: Node, value: dict[Node, int]) -> tuple[int, ...]:
    """Of the inputs whose storage n may take, those of its size that it reads only once."""
    found: list[int] = []
    for position in in_place_candidates(n):
        i = n.inputs[position]
        others = {storage_of(j) for j in n.inputs if j is not i}
        if n in value and in_arena(i) and storage_of(i) not in others:
            same = aligned(storage_of(i).type.nbytes) == aligned(n.type.nbytes)
            found += [value[storage_of(i)]] if same else []
    return tuple(found)
