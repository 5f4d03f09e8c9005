"""A training step with and without a pass that joins operations, and what it computes."""

from __future__ import annotations

import numpy as np
import pytest

import trainlet as tl
from int8.networks import quantised, scheme_of
from trainlet.ir.graph import Graph
from trainlet.ir.storage import to_device
from trainlet.passes import training
from trainlet.planning import target
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.trainer import input_arrays

INT8 = tl.Int8(gradient="int8", extra_bits=4)


def step(
    name: str, monkeypatch: pytest.MonkeyPatch, without: str | None = None, **options: object
) -> Graph:
    """The step of a quantised network; `without`: the pass that does nothing."""
    graph, _ = quantised(name)
    with monkeypatch.context() as patch:
        if without:
            patch.setattr(target if hasattr(target, without) else training, without, lambda g: g)
        options = {"precision": INT8, **options}
        made = tl.train(graph, scheme_of(graph), **options)  # type: ignore
        return tl.Target.preset("cortex-m7").lower(made.step)[0]


def ops(graph: Graph) -> set[str]:
    return {n.op for n in graph.nodes()}


def results(graph: Graph, x: np.ndarray) -> dict[str, bytes]:
    """The bytes of every output of a step."""
    leaves = {n.name: to_device(n, graph.values[n.name])
              for n in graph.leaves("param", "const", "state")}  # fmt: skip
    inputs = {n.name: n for n in graph.leaves("input")}
    rest = {"lr": np.float32(0.05), "target": np.array([1], np.int32)}
    own = [n for name, n in inputs.items() if name not in rest]
    leaves |= {name: rest[name] for name in rest if name in inputs}
    leaves |= input_arrays(own, {own[0].name: x})
    return {k: np.asarray(v).tobytes() for k, v in evaluate_graph(graph, leaves).items()}
