"""Evolutionary search over additive gains and costs: the baseline of Lin et al., 2022.

Their code and its settings were not released; the defaults are those of once-for-all, by the same
group: 100 schemes, 500 generations, a quarter of them parents, half of the children mutated, each
gene with probability 0.1, the others crossed over.
"""

from __future__ import annotations

import numpy as np

from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice


def evolve(
    layers: int,
    gains: Additive,
    costs: Additive,
    budget: int,
    *,
    population: int = 100,
    generations: int = 500,
    parents: float = 0.25,
    mutated: float = 0.5,
    probability: float = 0.1,
    seed: int = 0,
) -> Choice | None:
    """The best scheme found within the budget; None where not even the classifier alone is.

    A child that is above the budget loses random weights, then biases, until it is not.
    """
    if costs.base + costs.of_biases(0) > budget:
        return None
    search = _Evolution(layers, gains, costs, budget, np.random.default_rng(seed))
    alive = [search.repaired(search.drawn()) for _ in range(population)]
    keep, changed = round(parents * population), round(mutated * population)
    for _ in range(generations):
        best = sorted(alive, key=search.gain, reverse=True)[:keep]
        one, two = (search.rng.integers(0, keep, population) for _ in range(2))
        children = [search.mutated(best[k], probability) for k in one[:changed]]
        pairs = zip(one[changed:], two[changed:], strict=True)
        children += [search.crossed(best[a], best[b]) for a, b in pairs]
        alive = [*best, *map(search.repaired, children)]
    return search.choice(max(alive, key=search.gain))


class _Evolution:
    """A scheme is an array: the number of biases, then for each layer which of its shares learns,
    0 for none."""

    def __init__(
        self,
        layers: int,
        gains: Additive,
        costs: Additive,
        budget: int,
        rng: np.random.Generator,
    ) -> None:
        self.layers, self.budget, self.rng = layers, budget, rng
        self._shares = [
            [0.0, *sorted(r for k, r in gains.weights if k == number)] for number in range(layers)
        ]
        self._options = np.array([len(shares) for shares in self._shares])
        self._gains, self._costs = self._table(gains), self._table(costs)
        self._bias_gains, self._bias_costs = (
            np.array([rule.base + rule.of_biases(k) for k in range(layers + 1)])
            for rule in (gains, costs)
        )

    def _table(self, rule: Additive) -> np.ndarray:
        table = np.zeros((self.layers, max(self._options, default=1)))
        for number, shares in enumerate(self._shares):
            for option, share in enumerate(shares[1:], 1):
                table[number, option] = rule.weights[number, share]
        return table

    def gain(self, scheme: np.ndarray) -> float:
        each = self._gains[np.arange(self.layers), scheme[1:]]
        return float(self._bias_gains[scheme[0]] + each.sum())

    def _cost(self, scheme: np.ndarray) -> float:
        each = self._costs[np.arange(self.layers), scheme[1:]]
        return float(self._bias_costs[scheme[0]] + each.sum())

    def drawn(self) -> np.ndarray:
        k = self.rng.integers(0, self.layers + 1)
        return np.array([k, *self.rng.integers(0, self._options)])

    def mutated(self, scheme: np.ndarray, probability: float) -> np.ndarray:
        chosen = self.rng.random(len(scheme)) < probability
        return np.where(chosen, self.drawn(), scheme)

    def crossed(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.where(self.rng.random(len(one)) < 0.5, one, other)

    def repaired(self, scheme: np.ndarray) -> np.ndarray:
        """Within the budget, and without weights that no gradient reaches."""
        scheme = scheme.copy()
        scheme[1 : 1 + self.layers - scheme[0]] = 0
        while self._cost(scheme) > self.budget:
            learn = np.flatnonzero(scheme[1:])
            if len(learn):
                scheme[1 + self.rng.choice(learn)] = 0
            else:
                scheme[0] -= 1
        return scheme

    def choice(self, scheme: np.ndarray) -> Choice:
        shares = (self._shares[number][option] for number, option in enumerate(scheme[1:]))
        return Choice.of(int(scheme[0]), enumerate(shares))
