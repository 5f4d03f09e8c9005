"""What is compared: as a graph with a head for new classes, and what of it learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.schemes.layers import Choice, layers_of

from .task import Task

LAST, RANK = 2, 4
"""Weights of the static sparse scheme; rank of LoRA."""


@dataclass(frozen=True)
class Method:
    """A method whose scheme is the same for all episodes."""

    name: str
    graph: Graph
    scheme: tl.UpdateScheme


def methods(task: Task) -> Iterator[Method]:
    """The head alone, TinyTL, static sparse, LoRA and everything; TinyTL where the network has
    inverted bottlenecks."""
    graph = tl.adapt.cosine_head(task.features, task.ways, task.scale)
    yield Method("last", graph, tl.schemes.last(graph))
    yield Method("sparse", graph, sparse(task, graph))
    adapted = tl.adapt.lora(graph, RANK)
    yield Method("lora", adapted, tl.schemes.lora(adapted))
    try:
        adapted = tl.adapt.tinytl(graph)
        yield Method("tinytl", adapted, tl.schemes.tinytl(adapted))
    except tl.errors.SchemeError:
        pass
    yield Method("full", graph, tl.schemes.full(graph))


def sparse(task: Task, graph: Graph) -> tl.UpdateScheme:
    """The published scheme, or the last dense weights and all biases."""
    if task.sparse is not None:
        return tl.UpdateScheme(dict.fromkeys(tl.schemes.last(graph), 1.0) | task.sparse)
    layers = layers_of(graph, (1.0,))
    shapes = {n.name: n.type.shape for n in graph.leaves("param")}
    dense = [k for k, layer in enumerate(layers.body) if shapes[layer.weight][1] > 1]
    chosen = [(k, 1.0) for k in dense[-LAST:]]
    return Choice.of(len(layers.body), chosen).scheme(layers)
