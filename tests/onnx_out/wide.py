"""The oracle in float64: a step with next to no rounding, to compare steps in float32 with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainlet.ir.graph import Graph
from trainlet.ops.op import OPS
from trainlet.planning.program import Stage
from trainlet.run.simulated import SimulatedDevice


def _wide(value: np.ndarray) -> np.ndarray:
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype == np.float32 else value


class WideDevice(SimulatedDevice):
    """Every float of the state and of each result has 64 bits."""

    def init(self) -> None:
        super().init()
        self.values = {k: _wide(v) for k, v in self.values.items()}

    def run(self, graph: Graph, stage: Stage, fed: Mapping[str, np.ndarray]) -> dict:
        known, leaves = {}, {**self.values, **{k: _wide(v) for k, v in fed.items()}}
        for n in graph.nodes():
            if n.op == "seed":
                known[n] = _wide(graph.values[n.name])
            elif n.is_leaf:
                known[n] = leaves[n.name]
            else:
                known[n] = np.asarray(OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs))
        return {k: known[n] for k, n in graph.outputs.items()}
