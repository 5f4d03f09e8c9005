"""Channels last: permutes are pushed towards the leaves, where they vanish into the storage.

The front end surrounds every op of [N,H,W,C] maps with permutes.  Here each old node is
represented by a view, `old == permute(new, perm)`; elementwise ops hand the pending permutation
on, so that most permutes meet their inverse.  A leaf is stored the way its first reader wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ir.storage import Storage, storage
from trainlet.ops.op import build, leaf
from trainlet.ops.shape import inverse

Permutation = tuple[int, ...]
_UNARY = frozenset(
    "relu relu6 hard_sigmoid hard_swish sigmoid tanh silu gelu gelu_tanh scale offset detach "
    "clip quantize dequantize requantize_i8".split()
)
_BINARY = frozenset("add sub mul add_i8 mul_i8".split())


def channels_last(graph: Graph) -> Graph:
    """The same function with (nearly) no permutes; leaves may be stored permuted."""
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
        inputs = [self.views[i] for i in n.inputs]
        if n.op in ("permute", "permute_i8"):
            return inputs[0].permuted(n.attrs["permutation"])
        if n.op in _UNARY:
            source = self.settled(inputs[0])
            return _View(_rebuild(n, source.node), source.perm)
        if n.op in _BINARY:
            return self.binary(n, inputs)
        if n.op in _AXES and len(inputs[0].perm) == n.type.rank:
            return self.along_axis(n, inputs)
        return _plain(_rebuild(n, *map(self.materialise, inputs)))

    def binary(self, n: Node, inputs: list[_View]) -> _View:
        """In the layout of the operand that has the result's shape; the other one follows."""
        full = [v for v in inputs if len(v.perm) == n.type.rank]
        lead = max(full, key=lambda v: (v.node.type.size, not v.node.is_leaf))
        lead = self.settled(lead)
        operands = [self.aligned(v, lead.perm) for v in inputs]
        return _View(_rebuild(n, *operands), lead.perm)

    def along_axis(self, n: Node, inputs: list[_View]) -> _View:
        lead = self.settled(inputs[0])
        others = [
            self.aligned(v, lead.perm) if n.op.startswith("concat") else self.materialise(v)
            for v in inputs[1:]
        ]
        attrs = {**n.attrs, **_AXES[n.op](n, lead.perm)}
        return _View(build(n.op, lead.node, *others, label=n.name, **attrs), lead.perm)

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
        """The view on what is stored; an undecided leaf is stored as the user has it."""
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
        op = "permute_i8" if view.node.type.dtype == "int8" else "permute"
        return build(op, view.node, permutation=view.perm, label=view.node.name)

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


def _axis(n: Node, perm: Permutation) -> dict:
    return {"axis": perm[n.attrs["axis"] % len(perm)]}


def _shape(n: Node, perm: Permutation) -> dict:
    if len(n.attrs["shape"]) != len(perm):
        return {}
    return {"shape": tuple(n.attrs["shape"][k] for k in inverse(perm))}


def _axes(n: Node, perm: Permutation) -> dict:
    """Of a mean that keeps its axes, else it would not have the input's rank."""
    return {"axes": tuple(sorted(perm[k] for k in n.attrs["axes"]))}


def _sides(n: Node, perm: Permutation) -> dict:
    return {"padding": tuple(n.attrs["padding"][k] for k in inverse(perm))}


_AXES: Mapping[str, Callable[[Node, Permutation], dict]] = {
    "batch_norm": _axis,
    "concat": _axis,
    "slice": _axis,
    "spread": _axis,
    "sum_to": _shape,
    "concat_i8": _axis,
    "slice_i8": _axis,
    "mean_i8": _axes,
    "pad_i8": _sides,
}


def _reshape_leaves(graph: Graph) -> Graph:
    """A leaf that is read through one reshape only is stored in that shape."""
    readers = users(graph.nodes())
    alone = {n for n in readers if n.is_leaf and len(readers[n]) == 1}

    def rule(n: Node) -> Node | None:
        if n.op != "reshape" or n.inputs[0] not in alone:
            return None
        source = n.inputs[0]
        return leaf(source.op, source.name, n.type, **{**source.attrs, "storage": storage(source)})

    return rewrite(graph, rule)
