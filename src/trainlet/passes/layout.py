"""Channels last: permutes are pushed towards the leaves, where they vanish into the storage.

The front end surrounds every op of [N,H,W,C] maps with permutes.  Here each old node is
represented by a view, `old == permute(new, perm)`; an op whose record has a `layout` hands the
pending permutation on, so that most permutes meet their inverse.  A leaf is stored the way its
first reader wants it.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ir.storage import Storage, storage
from trainlet.ops.layout import Layout, Permutation, inverse
from trainlet.ops.op import OPS, build, leaf
from trainlet.ops.quantized.shape import permuted
from trainlet.ops.shape import RESHAPE


def channels_last(graph: Graph) -> Graph:
    """The graph of the same function with few or no permutes; leaves may be stored permuted."""
    return _reshape_leaves(_Layout().run(graph))


@dataclass(frozen=True)
class _View:
    """The old node is permute(node, perm)."""

    node: Node
    perm: Permutation

    def permuted(self, perm: Permutation) -> _View:
        """The view of permute(old, perm)."""
        return _View(self.node, tuple(self.perm[k] for k in perm))


def _plain(node: Node) -> _View:
    return _View(node, tuple(range(node.type.rank)))


def _moves_only_ones(shape: tuple[int, ...], perm: Permutation) -> bool:
    kept = [k for k in perm if shape[k] != 1]
    return kept == sorted(kept)


class _Layout:
    def __init__(self) -> None:
        self.views: dict[Node, _View] = {}
        self.stored: dict[Node, _View] = {}

    def run(self, graph: Graph) -> Graph:
        for n in graph.nodes():
            self.views[n] = self.view(n)
        outputs = {k: self.materialise(self.views[n]) for k, n in graph.outputs.items()}
        return Graph(outputs, graph.values)

    def view(self, n: Node) -> _View:
        if n.is_leaf:
            return _plain(n)
        inputs, layout = [self.views[i] for i in n.inputs], OPS[n.op].layout
        if layout and layout.permutes:
            return inputs[0].permuted(layout.permutes(n))
        if layout and layout.broadcasts:
            return self.broadcast(n, inputs)
        if layout and len(inputs[0].perm) == n.type.rank:
            return self.along_axis(n, inputs, layout)
        return _plain(_rebuild(n, *map(self.materialise, inputs)))

    def broadcast(self, n: Node, inputs: list[_View]) -> _View:
        """In the order of the operand that has the result's shape; the others follow."""
        full = [v for v in inputs if len(v.perm) == n.type.rank]
        largest = max(full, key=lambda v: (v.node.type.size, not v.node.is_leaf))
        perm = self.settled(largest).perm
        return _View(_rebuild(n, *(self.aligned(v, perm) for v in inputs)), perm)

    def along_axis(self, n: Node, inputs: list[_View], layout: Layout) -> _View:
        """In the order of the first input."""
        perm = self.settled(inputs[0]).perm
        operands = [self.aligned(v, perm) for v in inputs[: layout.maps]]
        operands += map(self.materialise, inputs[layout.maps :])
        attrs = {**n.attrs, **layout.attrs(n, perm)}
        return _View(build(n.op, *operands, label=n.name, **attrs), perm)

    def aligned(self, view: _View, perm: Permutation) -> Node:
        """The node whose permute(node, perm) is the old operand, broadcast dimensions included."""
        missing = len(perm) - len(view.perm)
        if missing and perm[missing:] == tuple(range(missing, len(perm))):
            return self.materialise(view)
        if missing:
            node = self.materialise(view)
            view = _plain(build("reshape", node, shape=(1,) * missing + node.type.shape))
        return self.materialise(view.permuted(inverse(perm)))

    def settled(self, view: _View) -> _View:
        """The view of the stored tensor. A leaf whose layout is still open gets the user's
        layout."""
        if view.node.is_leaf and view.node not in self.stored:
            self.stored[view.node] = _plain(view.node)
        if view.node in self.stored:
            return self.stored[view.node].permuted(view.perm)
        return view

    def materialise(self, view: _View) -> Node:
        """The old node itself."""
        if view.node.is_leaf and view.node not in self.stored:
            self.store(view.node, view.perm)
        view = self.settled(view)
        shape = tuple(view.node.type.shape[k] for k in view.perm)
        if shape == view.node.type.shape and _moves_only_ones(shape, view.perm):
            return view.node
        if _moves_only_ones(view.node.type.shape, view.perm):
            return build("reshape", view.node, shape=shape)
        return permuted(view.node, view.perm)

    def store(self, old: Node, perm: Permutation) -> None:
        """Decide that a leaf is stored as permute(old, perm)."""
        shape = old.type.shape
        new = old
        if not _moves_only_ones(shape, perm):
            permuted = old.type.with_shape(tuple(shape[k] for k in perm))
            new = leaf(old.op, old.name, permuted, **{**old.attrs, "storage": Storage(shape, perm)})
        self.stored[old] = _View(new, inverse(perm)) if new is not old else _plain(old)
        if new is not old:
            self.stored[new] = _plain(new)


def _rebuild(n: Node, *inputs: Node) -> Node:
    if inputs == n.inputs:
        return n
    return build(n.op, *inputs, label=n.name, **n.attrs)


def _reshape_leaves(graph: Graph) -> Graph:
    """A leaf that all its readers read in one other shape is stored in that shape."""
    while stored := _stored_as_read(graph):

        def rule(n: Node, stored: dict[Node, Node] = stored) -> Node | None:
            return stored.get(n.inputs[0]) if n.op == RESHAPE.name else None

        graph = rewrite(graph, rule)
    return graph


def _stored_as_read(graph: Graph) -> dict[Node, Node]:
    """The leaves that are read in one other shape only, and the same in that shape."""
    stored: dict[Node, Node] = {}
    for n, readers in users(graph.nodes()).items():
        read = {r.type if r.op == RESHAPE.name else None for r in readers}
        if n.is_leaf and len(read) == 1 and (type := read.pop()) is not None:
            stored[n] = leaf(n.op, n.name, type, **{**n.attrs, "storage": storage(n)})
    return stored
