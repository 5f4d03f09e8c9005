"""The best sum of gains within a budget: a multiple-choice knapsack, solved exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import gcd

import numpy as np

from trainlet.schemes.layers import Choice

Part = tuple[int, float]
"""(number of a layer, share of its weight)"""


@dataclass(frozen=True)
class Additive:
    """A number for each part of a scheme: its gain, or what it costs; a scheme has their sum.

    biases: of the biases of the last k layers, by k; a k that is absent has that of the next lower
    weights: of a share of a layer's weight; a share that is absent cannot be chosen
    """

    biases: Mapping[int, float]
    weights: Mapping[Part, float]
    base: float = 0

    def of_biases(self, k: int) -> float:
        return self.biases[max(known for known in self.biases if known <= k)]

    def of(self, choice: Choice) -> float:
        """The sum over a scheme."""
        weights = sum(self.weights[part] for part in choice.shares)
        return self.base + self.of_biases(choice.biases) + weights


@dataclass
class Knapsack:
    """Tables of one problem: the best gain of weights for every capacity up to a budget.

    layers: how many there are; costs: whole numbers, at least 0
    """

    layers: int
    gains: Additive
    costs: Additive
    budget: int
    _tables: list[np.ndarray] = field(default_factory=list, init=False)
    _taken: list[np.ndarray] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        numbers = [int(c) for c in (*self.costs.biases.values(), *self.costs.weights.values())]
        self._unit = gcd(*numbers) or 1
        self._room = max(-1, (self.budget - int(self.costs.base)) // self._unit)
        table = np.zeros(max(0, self._room) + 1)
        self._tables.append(table)
        for number in reversed(range(self.layers)):
            table, taken = self._with(number, table)
            self._tables.append(table)
            self._taken.append(taken)

    def shares(self, number: int) -> list[float]:
        return sorted(r for k, r in self.gains.weights if k == number)

    def _with(self, number: int, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The table with one layer more, and which of its shares each capacity takes; 0: none."""
        best, taken = table.copy(), np.zeros(len(table), np.int8)
        for option, share in enumerate(self.shares(number), 1):
            cost = int(self.costs.weights[number, share]) // self._unit
            if cost < len(table):
                gained = table[: len(table) - cost] + self.gains.weights[number, share]
                better = gained > best[cost:]
                best[cost:][better] = gained[better]
                taken[cost:][better] = option
        return best, taken

    def best(self, budget: int | None = None) -> Choice | None:
        """The scheme of the largest sum of gains whose costs are within the budget, of two such the
        one with fewer biases; None where none is.  budget: at most that of the tables."""
        found = self.best_of_each(budget)
        return max(found, key=self.gains.of, default=None)

    def best_of_each(self, budget: int | None = None) -> list[Choice]:
        """For every number of biases that is within the budget the best scheme, fewest first."""
        found = (self.with_biases(k, budget) for k in range(self.layers + 1))
        return [choice for choice in found if choice is not None]

    def with_biases(self, k: int, budget: int | None = None) -> Choice | None:
        """The best scheme with the biases of the last k layers; None where it is not within the
        budget."""
        room = self._room
        if budget is not None:
            room = min(room, (budget - int(self.costs.base)) // self._unit)
        left = room - int(self.costs.of_biases(k)) // self._unit
        return self._chosen(k, left) if left >= 0 else None

    def least(self, gain: float) -> dict[int, int]:
        """Of each number of biases with which a scheme gains more than this within the budget: the
        smallest budget for that."""
        found = {}
        for k in range(self.layers + 1):
            biases = int(self.costs.of_biases(k)) // self._unit
            table = self._tables[k][: max(0, self._room - biases + 1)]
            left = int(np.searchsorted(table, gain - self.gains.of_biases(k), side="right"))
            if left < len(table):
                found[k] = int(self.costs.base) + (biases + left) * self._unit
        return found

    def _chosen(self, k: int, left: int) -> Choice:
        shares = []
        for layer in reversed(range(k)):
            number = self.layers - 1 - layer
            option = int(self._taken[layer][left])
            if option:
                share = self.shares(number)[option - 1]
                shares.append((number, share))
                left -= int(self.costs.weights[number, share]) // self._unit
        return Choice.of(k, shares)


def knapsack(layers: int, gains: Additive, costs: Additive, budget: int) -> Choice | None:
    """The scheme of the largest sum of gains within a budget; None where not even the classifier
    alone is within it.  Exact: dynamic programming over the layers, last first, for each number of
    biases, in the largest unit that divides all costs."""
    return Knapsack(layers, gains, costs, budget).best()
