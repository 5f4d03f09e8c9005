"""Compares the integer graph with torchao's graph, which computes in floats between quantize and
dequantize."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainlet.frontends.integers import Conversion
from trainlet.frontends.selfcheck import WORK, Comparison, trials_like
from trainlet.ir.graph import Graph


def check_conversion(found: Conversion, graph: Graph, example: Sequence[torch.Tensor]) -> None:
    """Compare each operator, given torch's own inputs: floats by value, integers by steps.

    Raises UnsupportedError with the first operator that differs.
    """
    inputs = [n.name for n in found.module.graph.nodes if n.op == "placeholder"]
    held = {
        fx.name: found.held[str(fx.target)].tensor for fx in found.values if fx.op == "get_attr"
    }
    trials = trials_like(example)
    reader = Comparison(graph, found.values, held, WORK / len(trials))
    for trial in trials:
        reader.run(dict(zip(inputs, trial, strict=True)))
