"""The rule of the paper, and exact against evolutionary search, on the 15 published schemes."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.accounting.published.sparse_update import int8_graph, memory
from trainlet.schemes.evolution import evolve
from trainlet.schemes.knapsack import Additive, knapsack
from trainlet.schemes.layers import Choice, layers_of
from trainlet.schemes.rule import paper_memory


@pytest.mark.parametrize("network", SCHEMES)
def test_the_knapsack_gains_at_least_as_much_within_each_published_budget(network):
    schemes = SCHEMES[network].values()
    graph = int8_graph(next(iter(schemes)).network)
    layers = layers_of(graph, precision=tl.Int8())
    costs, rng = paper_memory(graph, layers), np.random.default_rng(0)
    steps = rng.gamma(1, 0.3, len(costs.biases))
    gains = Additive(
        dict(zip(sorted(costs.biases), np.cumsum(steps).tolist(), strict=True)),
        {part: float(rng.gamma(1, 1) * part[1] ** 0.5) for part in costs.weights},
    )
    for scheme in schemes:
        own = Choice.of(scheme.biases, scheme.weights.items())
        budget = 8 * memory(scheme)
        assert costs.of(own) == budget
        exact = knapsack(len(layers.body), gains, costs, budget)
        other = evolve(len(layers.body), gains, costs, budget, population=30, generations=20)
        assert exact is not None and other is not None
        assert costs.of(exact) <= budget and costs.of(other) <= budget
        assert gains.of(exact) >= max(gains.of(other), gains.of(own))
