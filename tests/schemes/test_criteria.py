"""Criteria that need no training, and whether gains add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import trainlet as tl
from schemes.small import EXAMPLE, QUICK, examples, network
from trainlet.schemes.additivity import random_choices, rank_correlation
from trainlet.schemes.contribution import contribution
from trainlet.schemes.criteria import components, fisher, topology, weight_norm
from trainlet.schemes.layers import Choice


@pytest.fixture(scope="module")
def begun():
    return contribution(network(), examples(), EXAMPLE, **QUICK, measure=False)


def test_fisher_is_the_sum_of_squared_gradients(begun):
    """Against autograd, of the leading channels of a share."""
    model, study = network(), begun.measurements.study
    rows = np.unique(np.concatenate([run.learn for run in study.runs]))
    weights, biases = 0.0, 0.0
    for row in rows:
        model.zero_grad()
        logits = model(torch.from_numpy(study.x[row : row + 1]))
        torch.nn.functional.cross_entropy(logits, torch.tensor([int(study.y[row])])).backward()
        parameters = dict(model.named_parameters())
        weights += float((parameters["2.weight"].grad[:, :2].double() ** 2).sum())
        biases += float((parameters["2.bias"].grad.double() ** 2).sum())
    found = fisher(begun)
    assert found.weights[1, 0.5] == pytest.approx(weights, rel=1e-4)
    assert found.biases[1] == pytest.approx(biases, rel=1e-4)
    assert found.biases[2] > found.biases[1] > found.biases[0] == 0


@pytest.mark.parametrize("channels", ["leading", "norm"])
def test_weight_norm_is_that_of_the_channels_that_learn(begun, channels):
    own = replace(begun.layers, channels=channels)
    found = weight_norm(replace(begun, measurements=replace(begun.measurements, layers=own)))
    norms = (network()[2].weight.detach().double() ** 2).sum((0, 2, 3)).numpy()
    kept = norms[:2] if channels == "leading" else np.sort(norms)[2:]
    assert found.weights[1, 0.5] == pytest.approx(kept.sum(), rel=1e-6)
    assert found.weights[1, 1.0] == pytest.approx(norms.sum(), rel=1e-6)


def test_components_are_clusters():
    rng = np.random.default_rng(0)
    centres = np.eye(5) * 100
    assert components(np.concatenate([c + rng.normal(0, 1, (6, 5)) for c in centres])) == 5
    assert components(np.zeros((4, 3))) == 1


def test_a_search_takes_the_gains_of_a_criterion(begun):
    for criterion in (fisher, weight_norm, topology):
        gains = criterion(begun)
        found = tl.schemes.search(begun, gains=gains, confirm=1)
        everything = Choice.of(2, [(0, 1.0), (1, 1.0)])
        assert found.predicted == pytest.approx(gains.of(everything))  # all fits, all gain


def test_the_rank_correlation_of_random_schemes():
    measured = tl.schemes.contribution(network(), examples(), EXAMPLE, **QUICK)
    found, pairs = rank_correlation(measured, 6)
    drawn = random_choices(measured.layers, 6, np.random.default_rng(0))
    assert [s for s, _ in pairs] == [measured.gains.of(c) for c in drawn]
    assert [a for _, a in pairs] == [measured.accuracy(c).mean() for c in drawn]
    from scipy.stats import spearmanr

    assert found == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic)
