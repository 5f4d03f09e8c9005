"""A fleet on this machine: every device is the compiled trainer, and only bytes go between them and
the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.errors import DataError, DivergedError
from trainlet.fleet.combine import Combine
from trainlet.fleet.coordinates import union
from trainlet.fleet.guard import Limits
from trainlet.fleet.member import Member, Recipe, load, work
from trainlet.fleet.server import LOG, Server
from trainlet.run.dataset import Dataset
from trainlet.run.fit import score

Deliver = Callable[[int, list[bytes]], list[bytes]]
"""What becomes of a round's updates on their way: the round, the updates -> those that arrive."""


@dataclass(frozen=True)
class Round:
    """After a round: accuracy over all test examples (None where nothing was measured), updates
    that the server took, and the bytes so far."""

    number: int
    accuracy: float | None
    taken: int
    bytes_up: int
    bytes_down: int


def order_of(seed: int, round: int, device: int) -> int:
    """The seed of the order of a device's examples after a number of finished rounds."""
    return int(np.random.SeedSequence([seed, round, device]).generate_state(1)[0])


class Fleet:
    """Devices that learn together, one after the other, in this process.

    Devices of one recipe share one trainer, which takes each device's state in turn, so that
    1,000 devices need the memory of one.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        members: Sequence[tuple[int, Dataset]],
        *,
        device: str = "host",
        combine: Combine | None = None,
        limits: Limits | None = None,
        journal: Path | None = None,
        seed: int = 0,
    ) -> None:
        """recipes: programs of the same network; members: for each device the number of its recipe
        and its data
        seed: of the noise and of the orders of the examples

        Raises DataError without devices, SchemeError for programs of different networks.
        """
        if not members:
            raise DataError("a fleet has at least one device; found none")
        self.recipes, self.seed = list(recipes), seed
        self.coordinates = union(recipe.shared for recipe in recipes)
        indices = [self.coordinates.index(recipe.shared) for recipe in recipes]
        self.kind = [kind for kind, _ in members]
        self.members = [
            Member(
                number,
                data,
                self.coordinates,
                indices[kind],
                rng=np.random.default_rng([seed, number]),
            )
            for number, (kind, data) in enumerate(members)
        ]
        start = np.zeros(self.coordinates.size, np.float32)
        for recipe, index in zip(reversed(self.recipes), reversed(indices), strict=True):
            start[index] = recipe.start
        self.server = Server(
            self.coordinates, start, {r.fingerprint: r.shared for r in recipes},
            range(len(members)), recipes[0].encoding.of_models, combine=combine, limits=limits,
            journal=journal,
        )  # fmt: skip
        self.trainers = [recipe.program.build(device) for recipe in recipes]

    def close(self) -> None:
        """Stop the trainers."""
        for trainer in self.trainers:
            trainer.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(
        self,
        rounds: int,
        *,
        epochs: int = 1,
        lr: float | None = None,
        present: Callable[[int], Sequence[int]] | None = None,
        deliver: Deliver | None = None,
        tests: Sequence[Dataset] | None = None,
    ) -> Iterator[Round]:
        """Rounds up to the number `rounds`, also of a server that continues.

        epochs, lr: of a device in a round
        present: which devices get the task of a round (default: all)
        deliver: what becomes of the updates on their way, for experiments with faults
        tests: test examples of each device, measured after each round
        """
        while self.server.round < rounds:
            number = self.server.round + 1
            chosen = range(len(self.members)) if present is None else present(number)
            updates = [
                update for n in chosen if (update := self._update(n, epochs, lr)) is not None
            ]
            for message in updates if deliver is None else deliver(number, updates):
                self.server.offer(message)
            taken = self.server.finish()
            accuracy = self.accuracy(tests) if tests else None
            yield Round(number, accuracy, taken, self.server.bytes_up, self.server.bytes_down)

    def _update(self, number: int, epochs: int, lr: float | None) -> bytes | None:
        """The update of a device; None where its training diverges."""
        member, kind = self.members[number], self.kind[number]
        order = order_of(self.seed, self.server.round, number)
        rate = float("nan") if lr is None else lr
        task = self.server.task(number, member.base, epochs, order, rate)
        try:
            return work(self.trainers[kind], self.recipes[kind], member, task)
        except DivergedError as error:
            LOG.info("round %d: device %d sends nothing: %s", self.server.round + 1, number, error)
            return None

    def accuracy(self, tests: Sequence[Dataset]) -> float:
        """Over all test examples, each device's with its own personal parameters."""
        right = total = 0
        for member, kind, test in zip(self.members, self.kind, tests, strict=True):
            if len(test):
                load(self.trainers[kind], self.recipes[kind], member, self.server.model)
                found = list(score(self.trainers[kind], test))[-1].accuracy or 0.0
                right, total = right + round(found * len(test)), total + len(test)
        return right / total if total else 0.0
