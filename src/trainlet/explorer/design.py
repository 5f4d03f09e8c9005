"""Schemes for a budget: the planned search over measured gains, on the explorer's own programs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trainlet.compiled import CompiledProgram
from trainlet.explorer.contributions import measured_gains
from trainlet.explorer.explored import LOSS, Explored
from trainlet.explorer.requests import Design, Setting
from trainlet.ir.graph import Graph
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.layers import Choice
from trainlet.schemes.planned_search import Budget, Decider, fitting
from trainlet.schemes.study import Study

SHOWN = 3
"""Schemes of an answer."""


@dataclass
class ExploredCost(CompiledCost):
    """Costs of the programs that the page shows for the same choices."""

    explored: Explored = field(kw_only=True)
    asked: Design = field(kw_only=True)

    def __post_init__(self) -> None:
        """Nothing: the explorer has the differentiated graph."""

    def setting(self, choice: Choice) -> Setting:
        """What the page asks for: the parameters in the order of the layers, since the order may
        decide between two plans."""
        ratios = choice.scheme(self.layers).ratios
        body = [name for layer in self.layers.body for name in (*layer.biases, layer.weight)]
        scheme = {name: ratios[name] for name in (*body, *self.layers.head) if name in ratios}
        return Setting(precision=self.asked.precision, scheme=scheme)

    def step(self, choice: Choice) -> Graph:
        return self.explored.step(self.setting(choice))

    def program(self, choice: Choice) -> CompiledProgram:
        if choice not in self._programs:
            made = self.explored.program(self.setting(choice))
            self._programs[choice] = replace(made, target=self.target)
        return self._programs[choice]


def designed(explored: Explored, asked: Design) -> dict[str, Any]:
    """The schemes with the largest sums of gains that fit, the best first; for JSON.

    Raises DataError where nothing is measured, TargetError where not even the classifier alone
    fits.
    """
    measured = measured_gains(explored)
    cost = _cost(explored, asked)
    limits = Budget(asked.ram, asked.flash, asked.instructions)
    decider = Decider(cost, limits)
    found = fitting(cost, measured.gains.added, decider, SHOWN)
    if not found:
        raise decider.nothing()
    return {
        "found": [_shown(choice, cost, decider, measured.gains.added.of(choice))
                  for choice in found],
        "planned": decider.plans,
        "considered": decider.asked,
    }  # fmt: skip


def _cost(explored: Explored, asked: Design) -> ExploredCost:
    key = ("cost", asked.precision)
    if key not in explored.made:
        graph = explored.forward(asked)
        study = Study(
            graph, np.zeros(0), np.zeros(0), (), (), 1, LOSS, precision=explored.integer(asked)
        )
        explored.made[key] = ExploredCost(
            study, explored.layers, explored.source.target, explored=explored, asked=asked
        )
    return explored.made[key]


def _shown(choice: Choice, cost: ExploredCost, decider: Decider, gain: float) -> dict[str, Any]:
    ram, flash = cost.planned(choice)
    return {
        "last": choice.biases,
        "shares": [list(pair) for pair in choice.shares],
        "gain": gain,
        "ram": ram,
        "flash": flash,
        "instructions": decider.counted.get(choice),
    }
