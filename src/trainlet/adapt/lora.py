"""LoRA (Hu et al., 2021): W x + (alpha / rank) B A x, where A and B learn in place of W.

B begins with zeros, so the network begins as it was.  A linear layer, and a convolution whose
kernel has one row and that has no groups, compute h = A x and B h: with A frozen (LoRA-FA) only h
is kept for the backward pass.  Other convolutions add B A to the weight, in the form of loralib.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from zlib import crc32

import numpy as np

from trainlet.adapt.layers import Layer, adaptable, chosen, norm_after
from trainlet.arguments import graph_of
from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import finite, flag, whole
from trainlet.ir.graph import Graph, Node
from trainlet.ops.conv import POINT
from trainlet.ops.linear import LINEAR
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.verify import verify

A, B = "lora_A", "lora_B"
MOST_RANK = 1 << 16


def lora(
    graph: Graph,
    rank: int = 8,
    alpha: float | None = None,
    layers: Sequence[str] | None = None,
    *,
    rank_stabilized: bool = False,
    seed: int = 0,
) -> Graph:
    """The graph with an adapter of low rank at each of some layers; train it with the scheme
    "lora", or with "lora_fa", which freezes A.

    Each layer gets the parameters `<layer>.lora_A` and `<layer>.lora_B`.  A linear layer of weight
    [out, in] has A [rank, in] and B [out, rank].  A convolution of weight [out, in / groups, kh,
    kw] has A [rank kh, in kw] and B [out / groups kh, rank kh]; one in one dimension has kh = 1.

    alpha: the adapter is multiplied by alpha / rank; None is the rank, so by 1
    layers: names or patterns such as "encoder.*"; None is all linear layers and convolutions but
    the classifier, where the adapter has fewer numbers than the weight
    rank_stabilized: multiply by alpha / sqrt(rank) instead (rsLoRA)
    seed: of the values that A begins with, uniform in +-1 / sqrt(A's columns); B begins with zeros

    Raises SchemeError for a layer that is unknown or cannot have such an adapter.
    """
    graph_of(graph)
    whole("rank", rank, 1, MOST_RANK, SchemeError)
    factor = finite("alpha", rank if alpha is None else alpha, SchemeError)
    if factor <= 0:
        raise SchemeError(f"alpha is {shown(alpha)}; allowed: a number above 0")
    factor /= rank**0.5 if flag("rank_stabilized", rank_stabilized) else rank
    whole("seed", seed, 0, 2**32 - 1, SchemeError)
    adapters = [_adapter(graph, layer, rank, factor) for layer in _at(graph, rank, layers)]
    values = {**graph.values, **{k: v for a in adapters for k, v in a.values(seed).items()}}
    ends = norm_after(graph)
    at = {use: adapter for adapter in adapters for use in adapter.layer.uses}
    after = {path[-1]: n for n, path in ends.items() if n in at and at[n].keeps_h}
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        rebuilt = n.with_inputs(new[i] for i in n.inputs)
        if n in at and not at[n].keeps_h:
            rebuilt = at[n].in_weight(rebuilt)
        elif n in at and n not in ends:
            rebuilt = build("add", rebuilt, at[n].beside(new[n.inputs[0]], n), label=n.name)
        elif n in after:
            use = after[n]
            moved = at[use].beside(new[use.inputs[0]], use, rebuilt)
            for step in ends[use][:-1]:
                moved = build(step.op, moved, label=step.name, **step.attrs)
            rebuilt = build("add", rebuilt, moved, label=n.name)
        new[n] = rebuilt
    return verify(Graph({name: new[n] for name, n in graph.outputs.items()}, values))


def _at(graph: Graph, rank: int, names: Sequence[str] | None) -> list[Layer]:
    """The layers that get an adapter."""
    if names is not None:
        found = chosen(graph, names)
        for layer in found:
            if rank > _most_rank(layer):
                raise SchemeError(
                    f"rank={rank} for the layer {layer.name!r} of weight {layer.shape}; allowed: "
                    f"at most {_most_rank(layer)}"
                )
        return found
    found = [
        layer
        for layer in adaptable(graph).values()
        if not layer.last
        and rank <= _most_rank(layer)
        and _numbers(layer, rank) < prod(layer.shape)
    ]
    if not found:
        raise SchemeError(
            f"no layer's weight has more numbers than its adapter of rank {rank}; use a smaller "
            "rank, or name the layers"
        )
    return found


def _shapes(layer: Layer, rank: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of A and B."""
    (height, width), outputs, groups = layer.kernel, layer.shape[0], layer.groups
    a = rank * height, layer.shape[1] * groups * width
    return a, (outputs // groups * height, rank * height)


def _most_rank(layer: Layer) -> int:
    return min(layer.shape[0] // layer.groups, layer.shape[1] * layer.groups)


def _numbers(layer: Layer, rank: int) -> int:
    return sum(map(prod, _shapes(layer, rank)))


def _adapter(graph: Graph, layer: Layer, rank: int, factor: float) -> _Adapter:
    shapes = _shapes(layer, rank)
    names = [layer.parameter(own) for own in (A, B)]
    for name in names:
        if name in graph.values:
            raise SchemeError(f"the layer {layer.name!r} has an adapter already: {name!r}")
    a = leaf("param", names[0], float32(*shapes[0]), adapter=A)
    b = leaf("param", names[1], float32(*shapes[1]), adapter=B, adapts=layer.weight.name,
             factor=factor)  # fmt: skip
    return _Adapter(layer, a, b)


class _Adapter:
    """A layer's two leaves, and the nodes that compute with them."""

    def __init__(self, layer: Layer, a: Node, b: Node) -> None:
        self.layer, self.a, self.b = layer, a, b
        self.factor = b.attrs["factor"]
        self.keeps_h = layer.groups == 1 and layer.kernel[0] == 1

    def values(self, seed: int) -> dict[str, np.ndarray]:
        """Kaiming-uniform with a = sqrt(5) of A, which is uniform below 1 / sqrt(columns)."""
        rng = np.random.default_rng([seed, crc32(self.layer.name.encode())])
        bound = 1 / self.a.type.shape[1] ** 0.5
        drawn = rng.uniform(-bound, bound, self.a.type.shape).astype(np.float32)
        return {self.a.name: drawn, self.b.name: np.zeros(self.b.type.shape, np.float32)}

    def beside(self, x: Node, n: Node, norm: Node | None = None) -> Node:
        """What is added to the layer n of x, or to the batch norm behind it."""
        b = self._scaled(norm)
        if n.op == LINEAR.name:
            h = build(LINEAR.name, x, self.a, label=self.a.name)
            return build(LINEAR.name, h, b, label=self.b.name)
        rank, outputs = self.a.type.shape[0], b.type.shape[0]
        wide = build("reshape", self.a, shape=(rank, self.layer.shape[1], 1, self.layer.kernel[1]))
        wide = build("permute", wide, permutation=(0, 2, 3, 1), label=self.a.name)
        h = build(n.op, x, wide, label=self.a.name, **n.attrs)
        point = build("reshape", b, shape=(outputs, 1, 1, rank))
        return build(n.op, h, point, label=self.b.name, **POINT)

    def in_weight(self, n: Node) -> Node:
        """The convolution n with the adapter in its weight."""
        product = build("matmul", self._scaled(None), self.a, label=self.b.name)
        inputs, outputs = self.layer.shape[1], self.layer.shape[0]
        wide = build("reshape", product, shape=(outputs, inputs, *self.layer.kernel))
        wide = build("permute", wide, permutation=(0, 2, 3, 1), label=self.b.name)
        x, weight, *bias = n.inputs
        adapted = build("add", weight, wide, label=self.b.name)
        return build(n.op, x, adapted, *bias, label=n.name, **n.attrs)

    def _scaled(self, norm: Node | None) -> Node:
        """B times what its product is multiplied by: of the two it has the fewer numbers."""
        b = self.b
        if self.factor != 1:
            b = build("scale", b, factor=self.factor, label=b.name)
        if norm is None:
            return b
        _, gamma, _, reciprocal, _ = norm.inputs
        slope = build("mul", gamma, reciprocal, label=norm.name)
        return build("mul", b, build("reshape", slope, shape=(slope.type.size, 1)), label=b.name)
