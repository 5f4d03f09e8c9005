"""A round of secure aggregation between simulated devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainlet.errors import StateError
from trainlet.fleet.secure.fixed_point import FixedPoint
from trainlet.fleet.secure.keys import KEY_BYTES, PublicKeys
from trainlet.fleet.secure.protocol import Participant, Revealed, unmask

NUMBER_BYTES = 4
"""A device's number before each share or key that is passed on."""


@dataclass(frozen=True)
class Sum:
    """What the server knows after a round: the sum, of which devices, and the bytes they sent."""

    total: np.ndarray
    devices: int
    bytes_up: int


@dataclass(frozen=True)
class SecureAggregation:
    """How a fleet adds its updates.

    share: of the devices that begin a round, how many have to finish it; above a half, so that the
    server cannot hear two halves
    examples, largest: as of `FixedPoint`
    Raises StateError for another share.
    """

    share: float = 2 / 3
    examples: int = 1000
    largest: float = 1.0

    def __post_init__(self) -> None:
        if not 0.5 < self.share <= 1:
            raise StateError(f"share={self.share}; allowed: above 0.5, at most 1")

    def threshold(self, devices: int) -> int:
        """How many of the devices that begin a round have to finish it."""
        return max(2, int(np.ceil(self.share * devices)))

    def fixed_point(self, devices: int) -> FixedPoint:
        """The integers of a fleet of so many devices; raises TrainletError."""
        return FixedPoint(devices, self.examples, self.largest)

    def add(self, begun: frozenset[int], values: Mapping[int, np.ndarray]) -> Sum:
        """The sum of the values, uint32 [n] by device, of those devices that stay until the end.

        begun: the devices that exchange keys; those without values are lost after that
        Raises StateError if too few are left.
        """
        threshold = self.threshold(len(begun))
        people = {one: Participant(one) for one in sorted(begun)}
        keys = {one: person.advertise() for one, person in people.items()}
        sent = {one: person.share(keys, threshold) for one, person in people.items()}
        hidden = {}
        for one in sorted(values):
            to_it = {other: messages[one] for other, messages in sent.items() if other != one}
            hidden[one] = people[one].mask(values[one], to_it)
        if len(hidden) < threshold:
            raise StateError(f"{len(hidden)} of {len(begun)} devices finished the round; secure "
                             f"aggregation needs {threshold}")  # fmt: skip
        arrived = frozenset(hidden)
        revealed = {one: people[one].reveal(arrived) for one in hidden}
        total = unmask(hidden, revealed, keys, begun, threshold)
        return Sum(total, len(hidden), bytes_told(keys, sent, hidden, revealed))


def bytes_told(
    keys: Mapping[int, PublicKeys],
    shares: Mapping[int, Mapping[int, bytes]],
    hidden: Mapping[int, np.ndarray],
    revealed: Mapping[int, Revealed],
) -> int:
    """What the devices sent in a round: the four messages, by device."""
    messages = [text for one in shares.values() for text in one.values()]
    messages += [text for said in revealed.values()
                 for text in (*said.seeds.values(), *said.keys.values())]  # fmt: skip
    told = 2 * KEY_BYTES * len(keys) + sum(len(text) + NUMBER_BYTES for text in messages)
    return told + sum(one.nbytes for one in hidden.values())
