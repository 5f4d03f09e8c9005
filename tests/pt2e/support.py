"""Quantised networks and their oracle, for the tests in this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.fx import GraphModule, Interpreter

from trainlet.frontends.integers import QUANTIZE, Conversion, import_converted
from trainlet.frontends.pt2e import Converted, convert_module
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS
from trainlet.ops.verify import verify
from trainlet.passes.fold import fold_batch_norm
from trainlet.passes.freeze import fold_constants
from trainlet.passes.layout import channels_last
from trainlet.run.evaluate import evaluate_graph
from zoo import NETWORKS


@dataclass(frozen=True)
class Quantized:
    """A network of the zoo: float, as torchao quantised it, and as integers."""

    model: nn.Module
    x: np.ndarray
    converted: Converted
    graph: Graph

    @property
    def float_logits(self) -> np.ndarray:
        with torch.no_grad():
            return self.model(torch.from_numpy(self.x)).numpy()

    @property
    def torch_logits(self) -> np.ndarray:
        with torch.no_grad():
            return self.converted.module(torch.from_numpy(self.x)).numpy()

    @property
    def logits(self) -> np.ndarray:
        return run(self.graph, self.x)


@cache
def quantized(name: str, method: str = "minmax", count: int = 16) -> Quantized:
    """A network calibrated with 64 examples; `x` are others of the same distribution."""
    case = NETWORKS[name](1)
    rng = np.random.default_rng(3)
    shape = case.x.shape[1:]
    batches = [draw(rng, 16, *shape) for _ in range(4)]
    x = draw(rng, count, *shape)
    converted = convert_module(case.model, x, batches, method)
    graph = verify(import_converted(converted.module, converted.inputs, converted.names))
    return Quantized(case.model, x, converted, graph)


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The logits, by the oracle."""
    leaves = {n.name: x if n.op == "input" else value(graph, n) for n in graph.leaves()}
    return evaluate_graph(graph, leaves)["logits"]


def value(graph: Graph, leaf: Node) -> np.ndarray:
    return to_device(leaf, graph.values[leaf.name])


def lowered(graph: Graph) -> Graph:
    """Channels last, as it is compiled."""
    return verify(fold_constants(fold_batch_norm(channels_last(graph))))


def decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    """The ratio of signal to quantisation noise."""
    noise = np.square(wanted - found, dtype=np.float64).sum()
    signal = np.square(wanted, dtype=np.float64).sum()
    return float(10 * np.log10(signal / max(noise, 1e-30)))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def operators(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes() if not n.is_leaf]


def float_operators(graph: Graph) -> set[str]:
    """What computes in float32; quantize and dequantize, reshape and permute do not."""
    free = ("quantize", "dequantize", "reshape", "permute")
    nodes = [n for n in graph.nodes() if not n.is_leaf and n.type.dtype == "float32"]
    return {n.op for n in nodes if n.op not in free}


@dataclass(frozen=True)
class Deviation:
    """How a node's integers differ from torch's, both given torch's integers as inputs."""

    node: Node
    largest: int
    share: float


def deviations(converted: Converted, x: np.ndarray) -> list[Deviation]:
    """Of each tensor that torch quantises."""
    conversion = Conversion(converted.module, converted.inputs, converted.names)
    graph = conversion.run()
    reference = _Record(converted.module)
    with torch.no_grad():
        reference.run(torch.from_numpy(x))
    known: dict[Node, np.ndarray] = {n: x for n in graph.leaves("input")}
    found = []
    for fx, wanted in reference.seen.items():
        node = conversion.values[fx]
        made = _evaluate(graph, node, known).astype(np.int32)
        gap = np.abs(made - wanted.astype(np.int32))
        found.append(Deviation(node, int(gap.max()), float((gap > 0).mean())))
        known[node] = wanted
    return found


class _Record(Interpreter):
    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[torch.fx.Node, np.ndarray] = {}

    def run_node(self, n: torch.fx.Node) -> object:
        result = super().run_node(n)
        if str(n.target) == QUANTIZE:
            self.seen[n] = result.numpy()
        return result


def _evaluate(graph: Graph, node: Node, known: Mapping[Node, np.ndarray]) -> np.ndarray:
    """A node from what is known before it."""
    if node in known:
        return known[node]
    if node.is_leaf:
        return value(graph, node)
    inputs = [_evaluate(graph, i, known) for i in node.inputs]
    return np.asarray(OPS[node.op].eval(*inputs, **node.attrs), node.type.dtype)
