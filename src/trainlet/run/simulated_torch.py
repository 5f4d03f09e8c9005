"""A device that evaluates a program's graphs in PyTorch; with integer gradients it has the C's
bits."""

from __future__ import annotations

import numpy as np
import torch

from trainlet.ir.graph import Graph
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.schedule import quick_order
from trainlet.planning.program import Program, Stage
from trainlet.run.simulated import SimulatedDevice
from trainlet.run.simulation.recipe import Recipe


class TorchSimulated(SimulatedDevice):
    """Each graph is prepared once."""

    def __init__(self, program: Program) -> None:
        self._recipes: dict[int, tuple[Graph, Recipe]] = {}
        super().__init__(program)

    def run(self, graph: Graph, stage: Stage, fed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if id(graph) not in self._recipes:
            recipe = Recipe.of(graph, quick_order(graph, Liveness(graph)))
            self._recipes[id(graph)] = graph, recipe
        leaves = {
            name: torch.from_numpy(np.array(value, order="C"))[None]
            for name, value in {**self.values, **fed}.items()
        }
        found = self._recipes[id(graph)][1](leaves)
        return {name: value[0].numpy() for name, value in found.items()}
