"""The knapsack against every scheme of small problems."""

from itertools import product

import numpy as np
import pytest

from trainlet.schemes.evolution import evolve
from trainlet.schemes.knapsack import Additive, Knapsack, knapsack
from trainlet.schemes.layers import Choice

SHARES = (0.25, 0.5, 1.0)


def problem(seed: int, layers: int = 4) -> tuple[Additive, Additive]:
    """Gains, some of them negative, and costs in a unit of 8."""
    rng = np.random.default_rng(seed)
    parts = [(k, r) for k in range(layers) for r in SHARES]
    gains = Additive(
        dict(enumerate([0.0, *rng.normal(0, 1, layers)])),
        dict(zip(parts, rng.normal(0.3, 1, len(parts)).tolist(), strict=True)),
    )
    biases = np.cumsum([0, *rng.integers(1, 9, layers)]) * 8
    costs = {p: int(c) * 8 for p, c in zip(parts, rng.integers(0, 30, len(parts)), strict=True)}
    return gains, Additive(dict(enumerate(biases.tolist())), costs, 40)


def every_choice(layers: int):
    for k in range(layers + 1):
        for shares in product((0, *SHARES), repeat=k):
            yield Choice.of(k, zip(range(layers - k, layers), shares, strict=True))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("budget", [39, 40, 100, 250, 900])
def test_no_scheme_within_the_budget_gains_more(seed, budget):
    gains, costs = problem(seed)
    within = [c for c in every_choice(4) if costs.of(c) <= budget]
    found = knapsack(4, gains, costs, budget)
    if not within:
        assert found is None
    else:
        assert found is not None and costs.of(found) <= budget
        assert gains.of(found) == pytest.approx(max(map(gains.of, within)))


def test_one_table_answers_every_smaller_budget():
    gains, costs = problem(7)
    tables = Knapsack(4, gains, costs, 900)
    for budget in (40, 111, 300, 900):
        assert tables.best(budget) == knapsack(4, gains, costs, budget)


def test_a_missing_number_of_biases_is_that_of_the_next_lower():
    """A layer without biases adds nothing to gain or cost."""
    part = Additive({0: 0.0, 2: 5.0}, {(1, 1.0): 2.0})
    assert [part.of(Choice(k)) for k in range(4)] == [0, 0, 5, 5]
    assert part.of(Choice.of(1, [(1, 1.0)])) == 2


@pytest.mark.parametrize("seed", range(3))
def test_evolution_stays_within_the_budget_and_below_the_knapsack(seed):
    """Of 12 layers, where it does not always find the best."""
    gains, costs = problem(seed, layers=12)
    for budget in (150, 300, 600):
        found = evolve(12, gains, costs, budget, population=20, generations=20, seed=seed)
        best = knapsack(12, gains, costs, budget)
        assert found is not None and best is not None
        assert costs.of(found) <= budget
        assert all(k >= 12 - found.biases for k, _ in found.shares)
        assert 0 < gains.of(found) <= gains.of(best) + 1e-9


def test_evolution_finds_the_best_of_a_small_problem():
    gains, costs = problem(1)
    found, best = (f(4, gains, costs, 250) for f in (evolve, knapsack))
    assert found is not None and gains.of(found) == pytest.approx(gains.of(best))
    assert evolve(4, gains, costs, 39) is None
