"""Weighted changes as integers whose sum modulo 2^32 is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainlet.errors import TrainletError
from trainlet.ir.arguments import finite, whole

LEVELS = 2**10
"""The fewest steps from 0 to the largest change."""


@dataclass(frozen=True)
class FixedPoint:
    """How values become integers.

    devices: the most that are added; examples: the most of one device, which bounds its weight
    largest: a change beyond it counts as it
    Raises TrainletError where the sum would leave less than 2^10 steps for a change.
    """

    devices: int
    examples: int
    largest: float = 1.0

    def __post_init__(self) -> None:
        whole("devices", self.devices, 1)
        whole("examples", self.examples, 1)
        if finite("largest", self.largest) <= 0 or self.levels < LEVELS:
            raise TrainletError(
                f"{self.devices} devices with up to {self.examples} examples and changes up to "
                f"{self.largest:g} leave {self.levels} steps for a value; allowed: {LEVELS} or "
                "more, and changes above 0. Count fewer examples of each device"
            )

    @property
    def levels(self) -> int:
        """Steps from 0 to the largest change."""
        return (2**31 - 1) // (self.devices * self.examples)

    def encode(self, change: np.ndarray, examples: int) -> np.ndarray:
        """uint32 [n + 1]: the change float32 [n] times the examples, and the examples."""
        weight = min(examples, self.examples)
        steps = np.rint(np.clip(change / self.largest, -1, 1) * self.levels).astype(np.int64)
        return (np.append(steps * weight, weight) % 2**32).astype(np.uint32)

    def mean(self, total: np.ndarray) -> tuple[np.ndarray, int]:
        """The mean change, float32 [n], and all examples, from a sum uint32 [n + 1]."""
        signed = total.astype(np.uint32).view(np.int32)
        weight = int(signed[-1])
        mean = signed[:-1] * (self.largest / self.levels / max(weight, 1))
        return mean.astype(np.float32), weight
