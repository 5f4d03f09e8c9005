"""Measured gains of the last layers of a network."""

from __future__ import annotations

from trainlet.schemes.contribution import Contribution
from trainlet.schemes.gains import choices
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice


def gains(measured: Contribution, last: int | None) -> Additive:
    """Of the biases and weights of the last so many layers, None: of all; measured if missing."""
    reach = len(measured.layers.body) if last is None else last
    every = [c for c in choices(measured.layers) if c.biases <= reach]
    measured.measurements.make(every)

    def accuracy(choice: Choice) -> float:
        return float(measured.accuracy(choice).mean())

    alone = [c.biases for c in every if not c.shares]
    weights = {}
    for choice in every:
        for part in choice.shares:
            base = max(k for k in alone if k <= choice.biases)
            weights[part] = accuracy(choice) - accuracy(Choice(base))
    return Additive({k: accuracy(Choice(k)) - accuracy(Choice()) for k in alone}, weights)
