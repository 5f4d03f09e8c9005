"""Chains of element-wise operations become one loop each, and nothing between them is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node, users
from trainlet.ops.fused.chain import MAP, RESULT, VECTOR, FusedOp, is_kind, kinds
from trainlet.ops.fused.kernel import FPU_BLOCK_OPS, in_fpu_blocks
from trainlet.ops.fused.record import MOST_INPUTS
from trainlet.ops.op import OPS, build

Chain = tuple[Node, ...]


def fuse_chains(graph: Graph) -> Graph:
    """An operation takes in the one that makes an operand, if nobody else reads that operand.

    If an operand with several readers is larger than its own inputs, each reader recomputes it: so
    float32 values of an int8 map are not stored.  No chain keeps more bytes of maps alive than its
    links would apart.  Bit for bit the same.
    """
    chains, new = _Chains.of(graph).found(), dict[Node, Node]()
    for n in graph.nodes():
        chain = chains.get(n, (n,))
        inputs = [new[i] for m in chain for i in m.inputs if i not in chain]
        new[n] = n.with_inputs(inputs)
        if len(chain) > 1:
            new[n] = build("fused", *inputs, links=_links(chain), label=n.name)
    return Graph({name: new[n] for name, n in graph.outputs.items()}, graph.values)


def _links(chain: Chain) -> tuple[FusedOp, ...]:
    return tuple(_link(n, before) for before, n in zip((None, *chain), chain, strict=False))


def _link(n: Node, before: Node | None) -> FusedOp:
    operands = (RESULT if i is before else _kind(i, n) for i in n.inputs)
    return n.op, "".join(map(str, operands)), dict(n.attrs)


def _kind(operand: Node, n: Node) -> str | None:
    """The kind of an operand; None if it is broadcast in a way that no chain supports."""
    return next((kind for kind in (MAP, VECTOR) if is_kind(kind, operand.type, n.type)), None)


def _may_be_link(n: Node) -> bool:
    if n.is_leaf or OPS[n.op].own_loop or OPS[n.op].element is None:
        return False
    return all(_kind(i, n) for i in n.inputs)


def _bytes_of_maps(n: Node) -> int:
    return sum(i.type.nbytes for i in n.inputs if _kind(i, n) == MAP)


def _one_loop(links: Sequence[FusedOp]) -> bool:
    """Whether one fused loop is at least as fast as separate loops."""
    in_blocks = all(op in FPU_BLOCK_OPS for op, _, _ in links)
    return in_fpu_blocks(links) if in_blocks else len(kinds(links)) <= MOST_INPUTS


@dataclass(frozen=True)
class _Chains:
    nodes: Sequence[Node]
    readers: Mapping[Node, Sequence[Node]]
    asked: frozenset[Node]

    @staticmethod
    def of(graph: Graph) -> _Chains:
        nodes = graph.nodes()
        return _Chains(nodes, users(nodes), frozenset(graph.outputs.values()))

    def found(self) -> dict[Node, Chain]:
        """Each chain by its last node."""
        inner, chains = set[Node](), dict[Node, Chain]()
        for n in reversed(self.nodes):
            if n not in inner:
                chains[n] = self.ending_at(n)
                inner.update(chains[n][:-1])
        return chains

    def ending_at(self, n: Node) -> Chain:
        chain = (n,)
        while True:
            before = self.taken_in(chain[0])
            if before is None or not _one_loop(_links((before, *chain))):
                return chain
            chain = (before, *chain)

    def taken_in(self, n: Node) -> Node | None:
        """The operand that n can compute itself, provided that all its other readers can too."""
        operand = self.choice(n)
        if operand is None or any(self.choice(r) is not operand for r in self.readers[operand]):
            return None
        return operand

    def choice(self, n: Node) -> Node | None:
        """The operand that n would fuse with: n is its only reader, or it is larger than its own
        inputs."""
        if not _may_be_link(n):
            return None
        maps = [i for i in n.inputs if _kind(i, n) == MAP and n.inputs.count(i) == 1]
        free = [i for i in maps if self.free(i)]
        own = [i for i in free if len(self.readers[i]) == 1]
        larger = [i for i in free if _bytes_of_maps(i) < i.type.nbytes]
        return next(iter(own + larger), None)

    def free(self, n: Node) -> bool:
        return _may_be_link(n) and n not in self.asked and _bytes_of_maps(n) <= n.type.nbytes
