"""What could be recomputed: the values that the backward pass reads, and when it reads them.

The order of the gradients is given; it is cut into stages, one for each gradient that reads
values of the forward pass.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ir.roles import is_target
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.passes.recompute import backward_nodes
from trainlet.planning.buffers import aligned, in_arena, storage_of
from trainlet.planning.liveness import Buffers, assign_buffers


@dataclass(frozen=True)
class ForwardValue:
    """A tensor of the forward pass that may be kept or recomputed.

    nodes:     what makes it from other values, aliases included; empty for an input, and for a
               reader of a streamed input, which is fetched only once
    size:      bytes
    macs:      multiply-accumulates of making it again; 0 if it is only made later
    work:      macs, and one for every element made
    transient: bytes beside its inputs and itself while it is made
    inputs:    the values that it is made of
    leaves:    moment of the forward pass from which on it takes memory only if it is kept
    """

    nodes: tuple[Node, ...]
    size: int
    macs: int
    work: int
    transient: int
    inputs: tuple[int, ...]
    leaves: int


@dataclass(frozen=True)
class BackwardStep:
    """A gradient that reads values.

    before:  most bytes, beside values, that are alive since the previous one ran
    between: bytes, beside values, that are alive when values are recomputed for it
    during:  bytes, beside values, that are alive while it runs
    """

    reads: frozenset[int]
    before: int
    between: int
    during: int


@dataclass(frozen=True)
class Problem:
    """values: each after its inputs; moments: in order; forward: bytes alive at each moment of
    the forward pass if no value is kept longer than that pass needs it; macs: of a whole step."""

    values: tuple[ForwardValue, ...]
    moments: tuple[BackwardStep, ...]
    forward: tuple[int, ...]
    macs: int

    def nodes(self, chosen: frozenset[int]) -> list[Node]:
        """The nodes to copy in order to recompute these values."""
        return [n for k in sorted(chosen) for n in self.values[k].nodes]


def forward_first(graph: Graph, order: NodeOrder) -> NodeOrder:
    """The order with what the forward pass compresses for the backward pass (masks, slices) right
    after what it is made of."""
    backward = backward_nodes(graph)
    started = False
    late: list[Node] = []
    for n in order:
        started = started or n in backward
        if started and n not in backward:
            late.append(n)
    early = set(order) - set(late)
    place: dict[Node, tuple[int, ...]] = {n: (k,) for k, n in enumerate(order) if n in early}
    for count, n in enumerate(late, 1):
        after = max((place[i] for i in n.inputs if not i.is_leaf), default=(-1,))
        place[n] = (*after, -count)
    return tuple(sorted(order, key=place.__getitem__))


def recompute_problem(graph: Graph, order: NodeOrder, streamed: Collection[Node] = ()) -> Problem:
    """The problem of a graph whose order has the forward pass first; streamed: inputs that come in
    rows, once."""
    return _Builder(graph, order, streamed).problem()


class _Builder:
    def __init__(self, graph: Graph, order: NodeOrder, streamed: Collection[Node]) -> None:
        self.graph, self.order, self.streamed = graph, order, streamed
        self.backward = backward_nodes(graph)
        self.readers: dict[Node, list[Node]] = {}
        for n in order:
            if not OPS[n.op].alias:
                for h in dict.fromkeys(storage_of(i) for i in n.inputs if in_arena(i)):
                    self.readers.setdefault(h, []).append(n)
        self.forward = [n for n in order if n not in self.backward]
        self.place = {n: k for k, n in enumerate(self.forward)}
        self.aliases: dict[Node, list[Node]] = {}
        for n in self.forward:
            if OPS[n.op].alias:
                self.aliases.setdefault(storage_of(n), []).append(n)
        self.outputs = set(self._part().outputs.values())
        self.relevant = self._relevant()
        self.groups = self._groups()

    def _relevant(self) -> set[Node]:
        """Tensors of the forward pass that a gradient reads, or that lead to one."""
        found: set[Node] = set()
        leaves = self.graph.leaves("input")
        for h in [*reversed(self.forward), *leaves]:
            read = self.readers.get(h, ())
            fed = not h.is_leaf or any(r not in self.backward for r in read)
            if storage_of(h) is h and fed and any(r in self.backward or r in found for r in read):
                found.add(h)
        return {h for h in found - set(self.streamed) if not is_target(h)}

    def _comes_once(self, h: Node) -> bool:
        return any(storage_of(i) in self.streamed for i in h.inputs)

    def _groups(self) -> dict[Node, list[Node]]:
        """Each value with the tensors before it that nobody else reads."""
        groups: dict[Node, list[Node]] = {}
        into: dict[Node, Node] = {}
        for h in [n for n in reversed(self.forward) if n in self.relevant]:
            read = [r for r in self.readers.get(h, ()) if r in self.backward or r in self.relevant]
            alone = len(read) == 1 and read[0] not in self.backward and not self._comes_once(h)
            into[h] = into[read[0]] if alone else h
            groups.setdefault(into[h], []).append(h)
        inputs = [n for n in self.graph.leaves("input") if n in self.relevant]
        return {n: [] for n in inputs} | {n: m[::-1] for n, m in reversed(groups.items())}

    def problem(self) -> Problem:
        inside = {m: k for k, members in enumerate(self.groups.values()) for m in members}
        number = inside | {h: k for k, h in enumerate(self.groups)}
        part = self._part()
        predicts = set(part.nodes())
        forward = tuple(n for n in self.order if n in predicts)
        buffers = assign_buffers(part, forward)
        values = tuple(
            self._value(h, members, number, buffers) for h, members in self.groups.items()
        )
        macs = sum(OPS[n.op].macs(n) for n in self.order)
        waiting = sum(
            aligned(n.type.nbytes)
            for n in self.graph.leaves("input")
            if n not in buffers.owner and n not in self.groups
        )
        forward = tuple(level + waiting for level in buffers.live_bytes)
        return Problem(values, self._moments(number), forward, macs)

    def _part(self) -> Graph:
        return Graph({k: n for k, n in self.graph.outputs.items() if n not in self.backward})

    def _value(
        self, h: Node, members: list[Node], number: dict[Node, int], buffers: Buffers
    ) -> ForwardValue:
        inputs = {
            number[storage_of(i)]
            for m in members
            for i in m.inputs
            if storage_of(i) in self.relevant and storage_of(i) not in members
        }
        made = [*members, *(n for m in members for n in self.aliases.get(m, ()))]
        read = [r for r in self.readers.get(h, ()) if r in buffers.moment]
        only_later = not read and h not in self.outputs
        macs = 0 if only_later else sum(OPS[m.op].macs(m) for m in members)
        work = 0 if only_later else macs + sum(m.type.size for m in members)
        if read:
            last = max(read, key=lambda r: buffers.moment[r])
            lent = buffers.owner.get(last) is buffers.owner.get(h)
            leaves = buffers.moment[last] + (0 if lent else 1)
        else:
            before = (buffers.moment.get(storage_of(i), -1) for m in members for i in m.inputs)
            leaves = max((*before, buffers.moment.get(h, -1))) + 1
        fixed = any(map(self._comes_once, members))
        nodes = () if fixed else tuple(sorted(made, key=self.place.__getitem__))
        inputs = set() if fixed else inputs
        size = aligned(h.type.nbytes)
        return ForwardValue(
            nodes, size, macs, work, _transient(members), tuple(sorted(inputs)), leaves
        )

    def _moments(self, number: dict[Node, int]) -> tuple[BackwardStep, ...]:
        buffers = assign_buffers(self.graph, self.order)
        span: dict[Node, tuple[int, int]] = {}
        for n in self.order:
            buffer = buffers.owner.get(n)
            if n in self.backward and buffer is not None and buffer not in span:
                span[buffer] = (buffers.moment[n], buffers.span[buffer][1])
        for leaf in self.graph.leaves("input"):
            if leaf not in self.relevant:
                span[leaf] = buffers.span[leaf]
        first = min(buffers.moment[n] for n in self.backward)
        begins, dies = ([0] * (len(self.order) + 1) for _ in range(2))
        alive = 0
        for b, (u, v) in span.items():
            if v >= 0:
                begins[max(u, 0)] += aligned(b.type.nbytes)
                dies[v] += aligned(b.type.nbytes)
        found, before = [], 0
        for t, n in enumerate(self.order):
            between, alive = alive, alive + begins[t]
            if t >= first:
                level = alive + buffers.workspace.get(n, 0)
                reads = self._reads(n)
                if reads:
                    numbers = frozenset(number[h] for h in reads)
                    found.append(BackwardStep(numbers, before, between, level))
                before = 0 if reads else max(before, level)
            alive -= dies[t]
        return tuple(found)

    def _reads(self, n: Node) -> set[Node]:
        """The values that a node reads; none for an alias."""
        return set() if OPS[n.op].alias else {storage_of(i) for i in n.inputs} & self.relevant


def _transient(members: list[Node]) -> int:
    """Bytes at the worst moment while the members run, but for inputs and the last result."""
    if not members:
        return 0
    alive: dict[Node, int] = {}
    worst = 0
    for m in members:
        size, op = aligned(m.type.nbytes), OPS[m.op]
        lent = any(
            alive.get(storage_of(m.inputs[p])) == size
            for p in in_place_candidates(m)
            if storage_of(m.inputs[p]) in alive
        )
        total = sum(alive.values()) + aligned(op.workspace(m)) + (0 if lent else size)
        worst = max(worst, total)
        later = members[members.index(m) + 1 :]
        alive[m] = size
        needed = {storage_of(i) for n in later for i in n.inputs}
        alive = {n: s for n, s in alive.items() if n in needed}
    return max(worst - aligned(members[-1].type.nbytes), 0)
