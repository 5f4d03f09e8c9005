"""Gradients of an int8 network, and autograd's straight through rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.ir.storage import to_device
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import input_arrays


class Rounded(torch.autograd.Function):
    """To int8 of a scale, clamped; the gradient passes where nothing is clamped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        q = torch.where(x < 0, torch.ceil(x / scale - 0.5), torch.floor(x / scale + 0.5))
        ctx.save_for_backward((q > -128) & (q < 127))
        return q.clamp(-128, 127) * scale

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> Any:
        return g[0] * ctx.saved_tensors[0], None


def gradients(forward: Graph, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """By parameter, in real units, without a plan."""
    scheme = {n.name: 1.0 for n in forward.leaves("param")}
    precision = tl.Int8(gradient="float32")
    graph = tl.train(forward, scheme, precision=precision, stop_after="prune").step
    values = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    source = next(n for n in graph.leaves("input") if n.name != "target")
    values |= input_arrays([source], {source.name: x}) | {"target": y}
    results = evaluate_graph(graph, values)
    return {k.removeprefix("grad."): v for k, v in results.items() if k.startswith("grad.")}
