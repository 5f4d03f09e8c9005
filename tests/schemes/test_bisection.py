"""Bisection against every scheme of small problems, with few questions."""

import pytest

from schemes.test_knapsack import SHARES, every_choice
from schemes.test_knapsack import problem as unordered
from trainlet.schemes.bisection import Bisection
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice, Layer, Layers
from trainlet.schemes.planned_search import useful

LAYERS = Layers(tuple(Layer(f"{k}") for k in range(4)), ("head",))
EVERY = list(every_choice(4))


def problem(seed: int) -> tuple[Additive, Additive]:
    """As in the test of the knapsack, but a larger share costs more than a smaller one."""
    gains, costs = unordered(seed)
    weights = {(k, r): sum(costs.weights[k, s] for s in SHARES if s <= r) for k, r in costs.weights}
    return gains, Additive(costs.biases, weights, costs.base)


def searched(gains, rules, fits) -> Bisection:
    found = Bisection(LAYERS, gains, fits)
    found.search(rules, useful(gains))
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [40, 100, 250, 400])
def test_the_best_is_found_where_costs_add_up(seed, budget):
    gains, costs = problem(seed)
    found = searched(gains, [costs], lambda c: costs.of(c) <= budget)
    best = max(gains.of(c) for c in EVERY if costs.of(c) <= budget)
    assert gains.of(found.found[0]) == pytest.approx(best)
    assert all(costs.of(c) <= budget for c in found.found)
    assert len(found.tried) < len(EVERY) / 4


def test_the_best_is_found_where_they_do_not():
    """Memory is the higher of two moments, each of which keeps one half of the layers whole and
    the other half in part."""

    def memory(costs: Additive, choice: Choice) -> float:
        early = sum(costs.weights[p] * (1 if p[0] < 2 else 0.4) for p in choice.shares)
        late = sum(costs.weights[p] * (0.4 if p[0] < 2 else 1) for p in choice.shares)
        return costs.base + costs.of_biases(choice.biases) + max(early, late)

    for seed in range(12):
        gains, costs = problem(seed)
        found = searched(gains, [costs], lambda c, costs=costs: memory(costs, c) <= 250)
        best = max(gains.of(c) for c in EVERY if memory(costs, c) <= 250)
        assert gains.of(found.found[0]) == pytest.approx(best)


def test_a_part_that_costs_less_than_its_rule_says_is_found_among_neighbours():
    gains = Additive({0: 0.0}, {(k, 1.0): gain for k, gain in enumerate([1.0, 2.0, 2.0, 2.0])})
    costs = Additive({0: 0.0}, {(k, 1.0): cost for k, cost in enumerate([90.0, 10.0, 10.0, 10.0])})
    free = Additive({0: 0.0}, {**costs.weights, (0, 1.0): 0.0})
    found = searched(gains, [costs], lambda c: free.of(c) <= 20)
    assert gains.of(found.found[0]) == 5


def test_nothing_is_tried_where_the_classifier_does_not_fit():
    gains, costs = problem(0)
    found = searched(gains, [costs], lambda c: False)
    assert not found.found and list(found.tried) == [Choice()]
