"""What the server takes of the messages that arrive: it refuses some and bounds others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainlet.errors import StateError
from trainlet.fleet.combine import Contribution
from trainlet.fleet.coordinates import check_vector
from trainlet.fleet.encoding import decoded
from trainlet.fleet.message import Update


@dataclass(frozen=True)
class Kind:
    """Devices that train the same coordinates in the same units.

    index: int64 [n], where their coordinates lie in the fleet's vector
    sizes: coordinates of each parameter, in the order of their own vector
    """

    index: np.ndarray
    sizes: Sequence[int]


@dataclass(frozen=True)
class Limits:
    """What the server accepts.

    examples: the most that a device may say it learnt from, which bounds its weight
    bound: the most that the root mean square of a change may be, as a multiple of the median of
        the round; a larger one is scaled down to it.  None: no bound
    outlier: likewise, from where on it is refused.  None: nothing is too large
    """

    examples: int = 100_000
    bound: float | None = 2.0
    outlier: float | None = 5.0


@dataclass(frozen=True)
class Verdict:
    """What became of a message.  reason: why it was refused or bounded, else empty.

    device: None where the message does not say so
    """

    round: int
    device: int | None
    accepted: bool
    reason: str = ""

    def __str__(self) -> str:
        who = "a message" if self.device is None else f"device {self.device}"
        what = "refused" if not self.accepted else "bounded" if self.reason else "accepted"
        return f"round {self.round}: {who} {what}" + (f": {self.reason}" if self.reason else "")


class Refused(StateError):
    """A message is not taken; the text says why."""

    def __init__(self, device: int | None, reason: str) -> None:
        super().__init__(reason)
        self.device = device


class Guard:
    """Decides on messages of one round at a time; it remembers who has answered."""

    def __init__(self, devices: frozenset[int], kinds: Mapping[int, Kind], limits: Limits) -> None:
        """devices: the members of the fleet; kinds: by fingerprint"""
        self.devices, self.kinds, self.limits = devices, kinds, limits
        self.begin(0)

    def begin(self, round: int) -> None:
        """The round whose messages are accepted from now on."""
        self.round, self._answered = round, set[int]()

    def check(self, message: bytes, sender: int | None = None) -> Contribution:
        """What a message contributes; raises Refused.

        sender: the only device that it may speak for; None for any
        """
        try:
            update = Update.decode(message)
        except StateError as error:
            raise Refused(None, str(error)) from None
        device = update.device
        if device not in self.devices:
            raise Refused(device, f"it is not one of the {len(self.devices)} devices of the fleet")
        if sender is not None and device != sender:
            raise Refused(device, f"device {sender} sent it in the name of this device")
        if update.round != self.round:
            late = "late" if update.round < self.round else "early"
            raise Refused(device, f"it is {late}: an update of round {update.round}")
        if device in self._answered:
            raise Refused(device, "it is repeated: the round has an update of this device")
        if update.fingerprint not in self.kinds:
            raise Refused(device, f"it belongs to another program: its fingerprint is "
                                  f"{update.fingerprint:08x}")  # fmt: skip
        if not 1 <= update.examples <= self.limits.examples:
            raise Refused(device, f"it says {update.examples} examples; allowed: 1 to "
                                  f"{self.limits.examples}")  # fmt: skip
        kind = self.kinds[update.fingerprint]
        try:
            values = decoded(update.payload, kind.sizes)
            change = check_vector(values, len(kind.index), "the update")
        except StateError as error:
            raise Refused(device, str(error)) from None
        self._answered.add(device)
        return Contribution(device, change, kind.index, update.examples)

    def judged(
        self, contributions: Sequence[Contribution]
    ) -> list[tuple[Contribution | None, str]]:
        """Each contribution as it counts, None where it is refused, and the reason if it is not as
        it was.  Fewer than three have no median that tells anything, and count as they are."""
        sizes = [rms(one.change) for one in contributions]
        usual = float(np.median(sizes)) if len(sizes) >= 3 else np.inf
        return [self._judged(one, size, usual) for one, size in
                zip(contributions, sizes, strict=True)]  # fmt: skip

    def _judged(
        self, one: Contribution, size: float, usual: float
    ) -> tuple[Contribution | None, str]:
        limits = self.limits
        if limits.outlier is not None and size > limits.outlier * usual:
            return None, f"it is larger than {limits.outlier:g} times the round's median"
        if limits.bound is not None and size > limits.bound * usual:
            factor = np.float32(limits.bound * usual / size)
            bounded = replace(one, change=one.change * factor)
            return bounded, f"it is larger than {limits.bound:g} times the round's median"
        return one, ""


def rms(change: np.ndarray) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(change, dtype=np.float64)))) if change.size else 0.0
