"""What each part of a network gains, from measured accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice, Layers


@dataclass(frozen=True)
class Gain:
    """How much more of the validation examples are right: the mean over the runs, and the standard
    deviation of the runs' differences."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Gains:
    """Gains of the parts that are measured.

    known: accuracies [rates, runs] of each choice.  A run's accuracy is that of the learning rate
    whose mean over the runs is best.
    """

    known: Mapping[Choice, np.ndarray]
    layers: Layers

    def accuracy(self, choice: Choice) -> np.ndarray:
        """Of each run at the best rate."""
        return at_best(self.known[choice])

    @cached_property
    def biases(self) -> dict[int, Gain]:
        """Of the biases of the last k layers over the head alone, by k."""
        every = self.layers.numbers_of_biases
        return {k: self._gain(Choice(k), Choice()) for k in every if self._known(Choice(k))}

    @cached_property
    def weights(self) -> dict[tuple[int, float], Gain]:
        """Of a share of a layer's weight over the biases of the layers from it to the last, by
        (number of the layer, share)."""
        found = {}
        for k, share, reached, biases in _weights(self.layers):
            choice, base = Choice.of(reached, [(k, share)]), Choice(biases)
            if self._known(choice, base):
                found[k, share] = self._gain(choice, base)
        return found

    @cached_property
    def added(self) -> Additive:
        """The means, as a search adds them up."""
        biases = {k: gain.mean for k, gain in self.biases.items()}
        return Additive(biases, {part: gain.mean for part, gain in self.weights.items()})

    def _known(self, *choices: Choice) -> bool:
        return Choice() in self.known and all(choice in self.known for choice in choices)

    def _gain(self, choice: Choice, base: Choice) -> Gain:
        difference = self.accuracy(choice) - self.accuracy(base)
        return Gain(float(difference.mean()), float(difference.std()))


def at_best(accuracies: np.ndarray) -> np.ndarray:
    """[runs] of [rates, runs]: those of the rate with the best mean."""
    return accuracies[accuracies.mean(1).argmax()]


def choices(layers: Layers) -> list[Choice]:
    """All that contribution analysis measures, the head alone first."""
    biases = [Choice(k) for k in layers.numbers_of_biases]
    weights = [Choice.of(reached, [(k, share)]) for k, share, reached, _ in _weights(layers)]
    return [*biases, *weights]


def _weights(layers: Layers) -> list[tuple[int, float, int, int]]:
    """Of every weight and share: the number of the layer, the share, how many layers there are
    from it to the last, and the smallest number of layers that have the same biases."""
    found = []
    for k in reversed(range(len(layers.body))):
        reached = layers.reaching(k)
        biases = max(n for n in layers.numbers_of_biases if n <= reached)
        found += [(k, share, reached, biases) for share in layers.body[k].shares]
    return found
