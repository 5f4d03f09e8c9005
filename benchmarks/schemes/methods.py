"""What is compared: presets, the last weights, LoRA and TinyTL, as a network and what learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from int8.task import Task

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.schemes.layers import Choice, Layers


@dataclass(frozen=True)
class Method:
    """kind: of its methods the validation part chooses one."""

    name: str
    kind: str
    graph: Graph
    scheme: UpdateScheme


@dataclass(frozen=True)
class Network:
    """The network of a task in one precision."""

    task: Task
    precision: tl.Int8 | None

    @cached_property
    def graph(self) -> Graph:
        return self._prepared(self.task.model)

    def adapters(self, ranks: tuple[int, ...]) -> Iterator[Method]:
        """Batch norms, where the task has a network that keeps them, LoRA of each rank and TinyTL,
        where they can be added."""
        if self.task.normed is not None:
            scheme = tl.schemes.norm(self.task.normed)
            yield Method("norm", "norm", self._prepared(self.task.normed, scheme), scheme)
        for rank in ranks:
            try:
                graph = tl.adapt.lora(self.graph, rank)
            except tl.TrainletError:
                continue
            yield Method(f"LoRA, rank {rank}", "LoRA", graph, tl.schemes.lora(graph))
        try:
            graph = tl.adapt.tinytl(self.graph)
        except tl.TrainletError:
            return
        yield Method("TinyTL-L+B", "TinyTL-L+B", graph, tl.schemes.tinytl(graph))
        yield Method("TinyTL-L", "TinyTL-L", graph, tl.schemes.tinytl(graph, biases=False))

    def _prepared(self, model: torch.nn.Module, scheme: UpdateScheme | None = None) -> Graph:
        calibration = None if self.precision is None else [self.task.calibration]
        return tl.prepare(
            model, torch.zeros(self.task.example), precision=self.precision,
            calibration=calibration, scheme=scheme,
        )  # fmt: skip


def presets(graph: Graph, layers: Layers) -> dict[str, Choice]:
    """Schemes that nobody searched: sparse1 and sparse2 have all biases and the weights of the last
    convolutions that are not depthwise."""
    many = len(layers.body)
    whole = [(k, 1.0) for k, layer in enumerate(layers.body) if layer.shares]
    shapes = {n.name: n.type.shape for n in graph.leaves("param")}
    dense = [(k, share) for k, share in whole if shapes[layers.body[k].weight][1] > 1]
    return {
        "last": Choice(),
        "bias": Choice(many),
        "sparse1": Choice.of(many, dense[-1:]),
        "sparse2": Choice.of(many, dense[-2:]),
        "full": Choice.of(many, whole),
    }
