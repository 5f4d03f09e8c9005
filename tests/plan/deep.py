"""A deep residual network as a graph, without torch: its training step has many operations."""

from __future__ import annotations

import numpy as np

import trainlet as tl
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf


def residual(blocks: int, width: int = 8, size: int = 8) -> Graph:
    """Blocks of two convolutions on maps [1, size, size, width], and a linear layer."""
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}

    def param(name: str, *shape: int) -> Node:
        values[name] = rng.standard_normal(shape).astype(np.float32) * 0.1
        return leaf("param", name, float32(*shape))

    def conv(x: Node, name: str) -> Node:
        weight, bias = param(f"{name}.weight", width, 3, 3, width), param(f"{name}.bias", width)
        window = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
        return build("conv2d", x, weight, bias, label=name, **window)

    x = leaf("input", "x", float32(1, size, size, width))
    for k in range(blocks):
        y = build("relu", conv(x, f"{k}.a"), label=f"{k}.relu")
        total = build("add", x, conv(y, f"{k}.b"), label=f"{k}.add")
        x = build("relu", total, label=f"{k}.out")
    flat = build("reshape", x, shape=(1, size * size * width), label="flat")
    weight, bias = param("fc.weight", 4, size * size * width), param("fc.bias", 4)
    return Graph({"logits": build("linear", flat, weight, bias, label="fc")}, values)


def residual_step(blocks: int) -> Graph:
    """The step that trains all of it, as a Cortex-M7 runs it."""
    graph = residual(blocks)
    every = {n.name: 1.0 for n in graph.leaves("param")}
    step = tl.train(graph, tl.UpdateScheme(every)).step
    return tl.Target.preset("cortex-m7").lower(step)[0]
