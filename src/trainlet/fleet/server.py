"""The server of a fleet: it sends tasks, takes updates, and makes the next model of each round."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from trainlet.fleet.combine import Combine, Contribution, FedAvg
from trainlet.fleet.coordinates import Coordinates, check_vector
from trainlet.fleet.encoding import Encoding, decoded
from trainlet.fleet.guard import Guard, Kind, Limits, Refused, Verdict
from trainlet.fleet.journal import Finished, read_journal, write_journal
from trainlet.fleet.message import NOTHING, Task, join

LOG = logging.getLogger("trainlet.fleet")
NOBODY = -1
"""The device of a change that no single device made."""


class Server:
    """The model of a fleet, and the round that is open.

    The model moves by changes that are encoded as updates are: every device that has the model of
    a round needs only the encoded changes since then.  What an encoding rounds away stays with the
    server and goes into the next change.
    """

    def __init__(
        self,
        coordinates: Coordinates,
        start: np.ndarray,
        kinds: dict[int, Coordinates],
        devices: Iterable[int],
        encoding: Encoding,
        *,
        combine: Combine | None = None,
        limits: Limits | None = None,
        journal: Path | None = None,
    ) -> None:
        """start: the pretrained model, float32 [coordinates.size]
        kinds: what the programs of the devices share, by fingerprint
        encoding: of the changes of the model, which the devices are sent
        journal: a file of the last finished round; if it exists, the server continues from there

        Raises StateError for a journal of another fleet.
        """
        self.coordinates, self.encoding = coordinates, encoding
        self.model = check_vector(start, coordinates.size, "the start").copy()
        self.combine = combine or FedAvg()
        known = {mark: Kind(coordinates.index(part), part.sizes) for mark, part in kinds.items()}
        self.guard = Guard(frozenset(devices), known, limits or Limits())
        self.round = 0
        self.verdicts: list[Verdict] = []
        self.bytes_up = self.bytes_down = 0
        self.rest = np.zeros(coordinates.size, np.float64)
        self.changes: list[bytes] = []
        self._taken: list[Contribution] = []
        self._journal = journal
        if journal and (last := read_journal(journal, coordinates.fingerprint, coordinates.size)):
            self.round, self.model, self.rest = last.round, last.model, last.rest
            self.changes = list(last.changes)
            self.bytes_up, self.bytes_down = last.bytes_up, last.bytes_down
            self.combine.load_state(dict(last.combine))
        self._begin()

    def _begin(self) -> None:
        self._taken = []
        self.guard.begin(self.round + 1)

    def task(self, device: int, base: int = NOTHING, epochs: int = 1, seed: int = 0,
             lr: float = float("nan")) -> bytes:  # fmt: skip
        """The task of the open round for a device that has the model of round `base`."""
        payload, base = self._since(base)
        message = Task(self.round + 1, base, device, epochs, seed, lr, payload).encode()
        self.bytes_down += len(message)
        return message

    def _since(self, base: int) -> tuple[bytes, int]:
        """The changes since a round, or the whole model where that is shorter."""
        whole = 4 * self.coordinates.size
        first = len(self.changes) - (self.round - base)
        if base != NOTHING and 0 <= first and base <= self.round:
            payload = join(self.changes[first:])
            if len(payload) < whole:
                return payload, base
        return join([self.model.astype("<f4").tobytes()]), NOTHING

    def offer(self, message: bytes, sender: int | None = None) -> Verdict:
        """Take an update, or refuse it; either is logged.

        sender: the only device that the message may speak for; None where the connection does not
        tell who sends
        """
        self.bytes_up += len(message)
        try:
            contribution = self.guard.check(message, sender)
        except Refused as refused:
            return self._said(Verdict(self.round + 1, refused.device, False, str(refused)))
        self._taken.append(contribution)
        return self._said(Verdict(self.round + 1, contribution.device, True))

    def offer_mean(self, change: np.ndarray, examples: int, bytes_up: int) -> None:
        """Take the mean change, float32 [coordinates.size], of devices that the server cannot tell
        apart (secure aggregation); raises StateError for one that is not finite."""
        self.bytes_up += bytes_up
        change = check_vector(change, self.coordinates.size, "the mean of the updates")
        every = np.arange(self.coordinates.size)
        self._taken.append(Contribution(NOBODY, change, every, examples))

    def finish(self) -> int:
        """Close the round: the model moves, and the journal has it.  Returns how many updates
        counted; with none the model stays."""
        taken = sorted(self._taken, key=lambda one: one.device)  # the order of arrival is chance
        counted = []
        for one, (judged, reason) in zip(taken, self.guard.judged(taken), strict=True):
            if judged is not None:
                counted.append(judged)
            if reason:
                self._said(Verdict(self.round + 1, one.device, judged is not None, reason))
        self._move(counted)
        self.round += 1
        if self._journal:
            write_journal(self._journal, self.coordinates.fingerprint, Finished(
                self.round, self.model, self.rest, tuple(self.changes), self.bytes_up,
                self.bytes_down, self.combine.state(),
            ))  # fmt: skip
        self._begin()
        return len(counted)

    def _move(self, contributions: Sequence[Contribution]) -> None:
        """The model takes the change that the devices will be sent, to the bit."""
        wanted = self.combine(self.round + 1, self.model, contributions) if contributions else (
            self.model)  # fmt: skip
        change = wanted.astype(np.float64) - self.model + self.rest
        sizes = self.coordinates.sizes
        encoded = self.encoding.encode(change.astype(np.float32), sizes)
        sent = decoded(encoded, sizes)
        self.rest = change - sent
        self.model = self.model + sent
        self.changes.append(encoded)
        while sum(map(len, self.changes)) > 4 * self.coordinates.size:
            del self.changes[0]  # a device that is so far behind gets the whole model

    def _said(self, verdict: Verdict) -> Verdict:
        self.verdicts.append(verdict)
        LOG.log(logging.INFO if verdict.reason else logging.DEBUG, "%s", verdict)
        return verdict
