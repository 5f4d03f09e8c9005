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

from trainlet.adapt import lora_int8
from trainlet.adapt.layers import Layer, adaptable, chosen, norm_after
from trainlet.adapt.lora_float import Adapter
from trainlet.arguments import graph_of
from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import finite, flag, whole
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.verify import verify
from trainlet.passes.fuse.rematerialize import ASKS

A, B = "lora_A", "lora_B"
MOST_RANK = 1 << 16


def lora(
    graph: Graph,
    rank: int = 8,
    alpha: float | None = None,
    layers: Sequence[str] | None = None,
    *,
    rank_stabilized: bool = False,
    recompute: bool = False,
    seed: int = 0,
) -> Graph:
    """The graph with an adapter of low rank at each of some layers; train it with the scheme
    "lora", or with "lora_fa", which freezes A.

    Each layer gets the parameters `<layer>.lora_A` and `<layer>.lora_B`.  A linear layer of weight
    [out, in] has A [rank, in] and B [out, rank].  A convolution of weight [out, in / groups, kh,
    kw] has A [rank kh, in kw] and B [out / groups kh, rank kh]; one in one dimension has kh = 1.
    Of an int8 network, linear layers and 1x1 convolutions can have adapters, which are int8 too.

    alpha: the adapter is multiplied by alpha / rank; None is the rank, so by 1
    layers: names or patterns such as "encoder.*"; None is all linear layers and convolutions but
    the classifier, where the adapter has fewer numbers than the weight
    rank_stabilized: multiply by alpha / sqrt(rank) instead (rsLoRA)
    recompute: the backward pass computes h = A x again instead of keeping it; x is then kept, which
    "lora" does anyway
    seed: of the values that A begins with, uniform in +-1 / sqrt(A's columns); B begins with zeros

    Raises SchemeError for a layer that is unknown or cannot have such an adapter.
    """
    whole("rank", rank, 1, MOST_RANK, SchemeError)
    factor = finite("alpha", rank if alpha is None else alpha, SchemeError)
    if factor <= 0:
        raise SchemeError(f"alpha is {shown(alpha)}; allowed: a number above 0")
    factor /= rank**0.5 if flag("rank_stabilized", rank_stabilized) else rank
    flag("recompute", recompute)
    whole("seed", seed, 0, 2**32 - 1, SchemeError)
    found = _at(graph_of(graph), rank, layers)
    adapters = [_adapter(graph, layer, rank, factor, recompute) for layer in found]
    values = dict(graph.values)
    for adapter in adapters:
        values |= _begins(adapter, seed)
    return verify(Graph(_rewritten(graph, adapters, values), values))


def _rewritten(
    graph: Graph, adapters: Sequence[Adapter], values: dict[str, np.ndarray]
) -> dict[str, Node]:
    """The outputs with the adapters in place; an adapter is added behind a batch norm that alone
    reads the layer, so that the batch norm is still folded into the layer."""
    at = {use: adapter for adapter in adapters for use in adapter.layer.uses}
    paths = norm_after(graph)
    behind = {path[-1]: n for n, path in paths.items() if n in at and at[n].layer.keeps_h}
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        made = n.with_inputs(new[i] for i in n.inputs)
        adapter = at.get(n)
        if n in behind:
            layer = behind[n]
            more = at[layer].beside(new[layer.inputs[0]], layer, made)
            for step in paths[layer][:-1]:
                more = build(step.op, more, label=step.name, **step.attrs)
            made = build("add", made, more, label=n.name)
        elif adapter and adapter.layer.integer:
            made = lora_int8.beside(made, adapter.a, adapter.b, values)
        elif adapter and not adapter.layer.keeps_h:
            made = adapter.in_weight(made)
        elif adapter and n not in paths:
            made = build("add", made, adapter.beside(made.inputs[0], n), label=n.name)
        new[n] = made
    return {name: new[n] for name, n in graph.outputs.items()}


def _at(graph: Graph, rank: int, names: Sequence[str] | None) -> list[Layer]:
    """The layers that get an adapter."""
    if names is not None:
        found = chosen(graph, names)
        for layer in found:
            _check(layer, rank)
        return found
    found = [
        layer
        for layer in adaptable(graph).values()
        if not layer.last
        and rank <= _most_rank(layer)
        and sum(map(prod, _shapes(layer, rank))) < prod(layer.shape)
        and not (layer.integer and lora_int8.why_not(layer.uses))
    ]
    if not found:
        raise SchemeError(
            f"no layer's weight has more numbers than its adapter of rank {rank}; use a smaller "
            "rank, or name the layers"
        )
    return found


def _check(layer: Layer, rank: int) -> None:
    """Raise SchemeError for a layer that cannot have an adapter of this rank."""
    if rank > _most_rank(layer):
        raise SchemeError(
            f"rank={rank} for the layer {layer.name!r} of weight {layer.shape}; allowed: at most "
            f"{_most_rank(layer)}"
        )
    reason = lora_int8.why_not(layer.uses) if layer.integer else ""
    if reason:
        raise SchemeError(f"the int8 layer {layer.name!r} {reason}")


def _shapes(layer: Layer, rank: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of A and B."""
    (height, width), outputs, groups = layer.kernel, layer.shape[0], layer.groups
    a = rank * height, layer.shape[1] * groups * width
    return a, (outputs // groups * height, rank * height)


def _most_rank(layer: Layer) -> int:
    return min(layer.shape[0] // layer.groups, layer.shape[1] * layer.groups)


def _adapter(graph: Graph, layer: Layer, rank: int, factor: float, again: bool) -> Adapter:
    shapes, names = _shapes(layer, rank), [layer.parameter(own) for own in (A, B)]
    for name in names:
        if name in graph.values:
            raise SchemeError(f"the layer {layer.name!r} has an adapter already: {name!r}")
    types, stored = [float32(*shape) for shape in shapes], [{}, {}]
    if layer.integer:
        if factor != 1:
            raise SchemeError(
                f"alpha / rank is {factor:g} for the int8 layer {layer.name!r}; allowed: 1, since "
                "the scales of its adapter are those of the layer; leave alpha and rank_stabilized "
                "out, and choose the learning rate instead"
            )
        types = lora_int8.types(layer.uses[0], shapes)
        stored = [{"storage": lora_int8.stored(shape)} for shape in shapes]
    asks = {ASKS: True} if again else {}
    a = leaf("param", names[0], types[0], adapter=A, **stored[0], **asks)
    b = leaf("param", names[1], types[1], adapter=B, adapts=layer.weight.name, factor=factor,
             **stored[1])  # fmt: skip
    return Adapter(layer, a, b, factor)


def _begins(adapter: Adapter, seed: int) -> dict[str, np.ndarray]:
    """Kaiming-uniform with a = sqrt(5) of A, which is uniform below 1 / sqrt(columns); zeros."""
    layer, rank = adapter.layer, adapter.a.type.shape[0] // adapter.layer.kernel[0]
    a, b = _shapes(layer, rank)
    rng = np.random.default_rng([seed, crc32(layer.name.encode())])
    drawn = rng.uniform(-(a[1] ** -0.5), a[1] ** -0.5, a).astype(np.float32)
    return {adapter.a.name: drawn, adapter.b.name: np.zeros(b, np.float32)}
