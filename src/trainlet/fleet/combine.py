"""How the server makes one change of the model from the changes of the devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Contribution:
    """A change from one device.

    change: float32 [n]; index: int64 [n], where these coordinates lie in the fleet's vector
    examples: how many it learnt from, which is its weight
    """

    device: int
    change: np.ndarray
    index: np.ndarray
    examples: int


class Combine(Protocol):
    """What makes the next model of a round's contributions."""

    def __call__(
        self, round: int, model: np.ndarray, contributions: Sequence[Contribution]
    ) -> np.ndarray:
        """The next model, float32 [size], from the present one and at least one contribution."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """What it remembers between rounds, for a server that is started again."""
        ...

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Take what `state` returned."""
        ...


class FedAvg:
    """The mean of the changes, weighted by examples, of each coordinate over the devices that train
    it (McMahan et al., 2017).  A coordinate that nobody trained stays."""

    def __call__(
        self, round: int, model: np.ndarray, contributions: Sequence[Contribution]
    ) -> np.ndarray:
        return (model + mean_change(len(model), contributions)).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        pass


def mean_change(size: int, contributions: Sequence[Contribution]) -> np.ndarray:
    """The weighted mean change of each coordinate over its contributors: float64 [size]."""
    total, weight = np.zeros(size), np.zeros(size)
    for one in contributions:
        total[one.index] += one.examples * one.change.astype(np.float64)
        weight[one.index] += one.examples
    return np.divide(total, weight, out=np.zeros(size), where=weight > 0)
