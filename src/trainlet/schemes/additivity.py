"""Whether gains add up: sums of gains against the accuracies of random schemes."""

from __future__ import annotations

import numpy as np

from trainlet.schemes.contribution import Contribution
from trainlet.schemes.layers import Choice, Layers


def rank_correlation(
    measured: Contribution, schemes: int = 20, seed: int = 0
) -> tuple[float, list[tuple[float, float]]]:
    """Spearman's correlation of the sums of gains of random schemes with the mean accuracies that
    they reach, and the pairs (sum, accuracy).  Measures what is not known yet.

    A scheme has the biases of at least one layer; each weight that they reach learns with a
    probability of one half, each of its shares equally often.
    """
    drawn = random_choices(measured.layers, schemes, np.random.default_rng(seed))
    measured.measurements.make(drawn)
    sums = [measured.gains.of(choice) for choice in drawn]
    reached = [float(measured.accuracy(choice).mean()) for choice in drawn]
    return _spearman(sums, reached), list(zip(sums, reached, strict=True))


def random_choices(layers: Layers, many: int, rng: np.random.Generator) -> list[Choice]:
    """Random schemes, which may be equal."""
    found, count = [], len(layers.body)
    for _ in range(many):
        k = int(rng.integers(1, count + 1))
        learn = [n for n in range(count - k, count) if layers.body[n].shares and rng.random() < 0.5]
        found.append(Choice.of(k, [(n, float(rng.choice(layers.body[n].shares))) for n in learn]))
    return found


def _spearman(a: list[float], b: list[float]) -> float:
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: list[float]) -> np.ndarray:
    """The rank of each value, equal ones with the mean of theirs."""
    array = np.array(values)
    return np.array([(array < v).sum() + ((array == v).sum() - 1) / 2 for v in array])
