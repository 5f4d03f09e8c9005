"""The graph after each stage, and what it computes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiler import STAGES, Model
from trainlet.ir.graph import Graph
from trainlet.ir.storage import to_device
from trainlet.run.evaluate import evaluate_graph

GRAPHS = STAGES[:-1]
"""Those with a graph; the last one gives a plan."""


def after(stage: str, model: Model, x: Tensor | None, scheme: dict | tl.UpdateScheme) -> Graph:
    graph = tl.prepare(model, x, check=False)
    if stage in ("load", "quantize"):
        return graph
    if stage == "lower":
        return tl.Target.preset("cortex-m7").lower(tl.train(graph, scheme).step)[0]
    return tl.train(graph, scheme, stop_after=stage).step


def ops(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes() if not n.is_leaf]


def logits(graph: Graph, x: Tensor) -> np.ndarray:
    """The graph's own answer."""
    part = Graph({"logits": graph.outputs["logits"]}, graph.values)
    fed = {n.name: to_device(n, part.values[n.name]) for n in part.leaves("param", "const")}
    (leaf,) = part.leaves("input")
    return evaluate_graph(part, {**fed, leaf.name: to_device(leaf, x.numpy())})["logits"]


class ConvBnRelu(nn.Module):
    """Numbers of few bits, so that what is folded prints the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4, eps=0)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                steps = torch.arange(parameter.numel()).reshape(parameter.shape)
                parameter.copy_((steps % 7 - 3) / 4)
            self.bn.running_mean.copy_(torch.tensor([0.5, -1, 0, 2]))
            self.bn.running_var.copy_(torch.tensor([0.25, 1, 4, 16]))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.relu(self.bn(self.conv(x)))).flatten(1))


def small() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return ConvBnRelu().eval(), torch.randn(1, 2, 5, 5)
