"""The frozen front of a network, computed once for every input and method.

What never learns gives the same numbers in every step, so the trainer is compiled for the rest of
the network alone and reads what the front made: float32 values, or the very integers.
`check` compares with the whole network, bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.roles import LOGITS
from trainlet.ir.storage import to_device
from trainlet.ops.op import leaf
from trainlet.run.dataset import Dataset
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import input_arrays

from .task import Task

BATCH = 20


class Front:
    """Datasets as the rest of the network takes them; `integer` says in which arithmetic."""

    def __init__(self, task: Task, integer: bool) -> None:
        layers = list(task.model.named_children())
        self.rest = nn.Sequential(OrderedDict(layers[task.frozen :]))
        self.shape = task.example
        self._task, self._known = task, {}
        self._front = task.model[: task.frozen]
        self._graph = None
        if task.frozen:
            with torch.no_grad():
                self.shape = tuple(self._front(torch.zeros(task.example)).shape)
        if integer and task.frozen:
            graph = quantised(task, BATCH)
            self._graph = Graph({"front": _boundary(graph, task)}, graph.values)

    def __call__(self, data: Dataset) -> Dataset:
        """The same examples behind the front."""
        if not self._task.frozen:
            return data
        keys = [x.tobytes() for x in data.x]
        new = {key: x for key, x in zip(keys, data.x, strict=True) if key not in self._known}
        for at in range(0, len(new), BATCH):
            some = list(new)[at : at + BATCH]
            made = self._run(np.stack([new[key] for key in some]))
            self._known |= dict(zip(some, made, strict=True))
        return Dataset(np.stack([self._known[key] for key in keys]), data.y)

    def _run(self, x: np.ndarray) -> np.ndarray:
        if self._graph is None:
            with torch.no_grad():
                return self._front(torch.from_numpy(x)).numpy()
        filled = x[np.arange(BATCH) % len(x)]
        return _evaluated(self._graph, filled)["front"][: len(x)]


def _evaluated(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a graph of one input."""
    [source] = graph.leaves("input")
    constants = graph.leaves("param", "const")
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in constants}
    return evaluate_graph(graph, leaves | input_arrays([source], {source.name: x}))


def quantised(task: Task, batch: int = 1, float_head: bool = True) -> Graph:
    """The whole network in integers, for inputs of this batch size."""
    example = torch.zeros(batch, *task.example[1:])
    return quantize_module(task.model, example, [task.calibration], float_head=float_head)


def without_front(graph: Graph, task: Task) -> Graph:
    """The quantised network behind its front, whose integers are the new input."""
    boundary = _boundary(graph, task)
    return rewrite(graph, lambda n: leaf("input", "x", n.type) if n is boundary else None)


def check(task: Task, front: Front, float_head: bool) -> None:
    """Raise unless front and rest together are the whole network, on some real inputs."""
    whole = quantised(task, float_head=float_head)
    for x in task.calibration[:3]:
        seen = front(Dataset(x[None], np.zeros(1, np.int32))).x
        apart = _evaluated(without_front(whole, task), seen)[LOGITS]
        if not np.array_equal(apart, _evaluated(whole, x[None])[LOGITS]):
            raise RuntimeError(f"{task.name}: the cached front is not the network's")


def _boundary(graph: Graph, task: Task) -> Node:
    """What the first layer that learns reads, channels first."""
    convolutions = [
        name for name, layer in task.model[: task.frozen].named_children()
        if isinstance(layer, nn.Conv2d)
    ]  # fmt: skip
    [node] = [
        n
        for n in graph.nodes()
        if n.op == "permute_i8" and n.inputs[0].op.endswith("_i8")
        and n.inputs[0].op != "permute_i8" and n.inputs[0].name == convolutions[-1]
    ]  # fmt: skip
    return node
