"""Running one network in three ways: LiteRT's reference kernels, our oracle, our C kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from catalogue.kernels import Library
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS, build, leaf
from trainlet.run.evaluate import evaluate_graph

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def data(name: str) -> Path:
    """A file of real data or weights; the test is skipped where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


class LiteRT:
    """LiteRT with its reference kernels, which round as microcontrollers do.

    kernels: another set, for an operator that has no reference kernel
    """

    def __init__(self, content: bytes, kernels: str = "BUILTIN_REF") -> None:
        module = pytest.importorskip(
            "ai_edge_litert.interpreter", reason="needs pip install ai-edge-litert"
        )
        self._run = module.Interpreter(
            model_content=content,
            experimental_op_resolver_type=module.OpResolverType[kernels],
        )
        self._run.allocate_tensors()
        self.shapes = [(d["shape"], d["dtype"]) for d in self._run.get_input_details()]

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        for detail, array in zip(self._run.get_input_details(), arrays, strict=True):
            self._run.set_tensor(detail["index"], array)
        self._run.invoke()
        return self._run.get_tensor(self._run.get_output_details()[0]["index"])


def draw(rng: np.random.Generator, node: Node) -> np.ndarray:
    """Random values of an input's type."""
    if node.type.dtype == "int8":
        return rng.integers(-128, 128, node.type.shape).astype(np.int8)
    if node.type.dtype == "int32":
        return rng.integers(0, node.attrs["below"], node.type.shape).astype(np.int32)
    return rng.uniform(-1, 1, node.type.shape).astype(np.float32)


def leaves(graph: Graph, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The values of all leaves as the device keeps them."""
    constants = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    names = [n.name for n in graph.leaves("input")]
    return {**constants, **dict(zip(names, inputs, strict=True))}


def oracle(graph: Graph, *inputs: np.ndarray) -> np.ndarray:
    """The logits by NumPy."""
    return evaluate_graph(graph, leaves(graph, inputs))["logits"]


def kernels(library: Library, graph: Graph, *inputs: np.ndarray) -> np.ndarray:
    """The logits by the C kernels, node by node."""
    values: Mapping[str, np.ndarray] = leaves(graph, inputs)
    known: dict[Node, np.ndarray] = {}
    for n in graph.nodes():
        arrays = [known[i] for i in n.inputs]
        if n.is_leaf:
            known[n] = values[n.name]
        elif OPS[n.op].alias or OPS[n.op].source:  # no code, or no kernel of this library
            known[n] = OPS[n.op].eval(*arrays, **n.attrs)
        else:
            known[n] = library.run(n, arrays)
    return known[graph.outputs["logits"]]


def batched(graph: Graph, size: int) -> Graph:
    """The graph for `size` inputs at once, of one whose batch is 1."""
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        if n.op == "input":
            new[n] = leaf("input", n.name, n.type.with_shape((size, *n.type.shape[1:])))
        elif n.is_leaf:
            new[n] = n
        else:
            shape = {"shape": (size, *n.attrs["shape"][1:])} if n.op == "reshape" else {}
            inputs = [new[i] for i in n.inputs]
            new[n] = build(n.op, *inputs, label=n.name, **{**n.attrs, **shape})
    return Graph({k: new[n] for k, n in graph.outputs.items()}, graph.values)
