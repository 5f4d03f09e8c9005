"""Faults of a fleet, for experiments: devices that are away, and messages that go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trainlet.errors import DataError
from trainlet.fleet.encoding import decoded, encoding
from trainlet.fleet.message import Update

POISON = -20.0
"""What a hostile device multiplies its update with: a large step in the wrong direction."""


@dataclass
class Faults:
    """What happens to a fleet's messages; every share is of devices or messages, in 0..1.

    dropouts: devices that are away in a round, drawn anew in each
    poisoned: devices that are hostile, always the same; they send their update times POISON, or NaN
    repeated: messages that arrive twice; late: messages that arrive a round later
    Messages arrive in any order.  Raises DataError for a share out of range.
    """

    devices: int
    sizes: Sequence[int]
    dropouts: float = 0.0
    poisoned: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    seed: int = 0
    held: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("dropouts", "poisoned", "repeated", "late"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name}={getattr(self, name)}; allowed: 0 to 1")
        count = round(self.poisoned * self.devices)
        rng = np.random.default_rng([self.seed, 1])
        self.hostile = frozenset(rng.permutation(self.devices)[:count].tolist())

    def present(self, round: int) -> list[int]:
        """The devices that get the task of a round."""
        rng = np.random.default_rng([self.seed, 2, round])
        away = int(np.round(self.dropouts * self.devices))
        return sorted(rng.permutation(self.devices)[away:].tolist())

    def deliver(self, round: int, updates: list[bytes]) -> list[bytes]:
        """What arrives in a round of what was sent in it and, late, in the one before."""
        rng = np.random.default_rng([self.seed, 3, round])
        arriving, self.held = self.held, []
        for message in updates:
            update = Update.decode(message)
            if update.device in self.hostile:
                message = self._poisoned(update, rng.random() < 0.5)
            if rng.random() < self.late:
                self.held.append(message)
            else:
                arriving += [message] * (2 if rng.random() < self.repeated else 1)
        return [arriving[k] for k in rng.permutation(len(arriving))]

    def _poisoned(self, update: Update, scaled: bool) -> bytes:
        """The update times POISON; or one whose first value is NaN."""
        if scaled:
            values = POISON * decoded(update.payload, self.sizes)
            return replace(update, payload=encoding("int8").encode(values, self.sizes)).encode()
        zeros = encoding("none").encode(np.zeros(sum(self.sizes), np.float32), self.sizes)
        head, value = 6, np.float32(np.nan).tobytes()
        return replace(update, payload=zeros[:head] + value + zeros[head + 4 :]).encode()
