"""A fleet on this machine: every device is the compiled trainer, and only bytes go between them and
the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.errors import DataError, SchemeError, StateError
from trainlet.fleet.combine import Combine
from trainlet.fleet.coordinates import union
from trainlet.fleet.crew import Crew, Forked
from trainlet.fleet.encoding import decoded
from trainlet.fleet.guard import Limits
from trainlet.fleet.member import Member, Recipe
from trainlet.fleet.message import NOTHING, Update
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.server import LOG, Server
from trainlet.ir.arguments import whole
from trainlet.run.dataset import Dataset

Deliver = Callable[[int, list[bytes]], list[bytes]]
"""What becomes of a round's updates on their way: the round, the updates -> those that arrive."""


@dataclass(frozen=True)
class Round:
    """After a round: accuracy over all test examples (None where there are none), updates that the
    server took, and the bytes so far."""

    number: int
    accuracy: float | None
    taken: int
    bytes_up: int
    bytes_down: int


def order_of(seed: int, round: int, device: int) -> int:
    """The seed of the order of a device's examples after a number of finished rounds."""
    return int(np.random.SeedSequence([seed, round, device]).generate_state(1)[0])


class Fleet:
    """A server, and the devices that learn for it."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        members: Sequence[tuple[int, Dataset]],
        *,
        tests: Sequence[Dataset | None] | None = None,
        device: str = "host",
        combine: Combine | None = None,
        limits: Limits | None = None,
        journal: Path | None = None,
        secure: SecureAggregation | None = None,
        seed: int = 0,
        jobs: int = 1,
    ) -> None:
        """recipes: programs of the same network; members: for each device the number of its recipe
        and its data; tests: test examples of each device
        device: what the trainers run on, as of `CompiledProgram.build`
        secure: how updates are added so that the server sees only their sum; the guard then judges
        nothing
        seed: of the noise and of the orders of the examples; jobs: processes

        Raises DataError without devices, SchemeError for programs of different networks, and for
        several programs with `secure`.
        """
        if not members:
            raise DataError("a fleet has at least one device; found none")
        if secure and len(recipes) > 1:
            raise SchemeError(f"secure aggregation adds the updates of one program; found "
                              f"{len(recipes)} programs")  # fmt: skip
        self.secure = secure
        self._fixed_point = secure.fixed_point(len(members)) if secure else None
        self.recipes, self.seed = list(recipes), seed
        self.coordinates = union(recipe.shared for recipe in recipes)
        indices = [self.coordinates.index(recipe.shared) for recipe in recipes]
        start = np.zeros(self.coordinates.size, np.float32)
        for recipe, index in zip(reversed(self.recipes), reversed(indices), strict=True):
            start[index] = recipe.start
        self.server = Server(
            self.coordinates, start, {r.fingerprint: r.shared for r in recipes},
            range(len(members)), recipes[0].encoding.of_models, combine=combine, limits=limits,
            journal=journal,
        )  # fmt: skip
        self.base = dict.fromkeys(range(len(members)), NOTHING)
        self.members = {
            number: Member(number, data, self.coordinates, indices[kind],
                           rng=np.random.default_rng([seed, number]))
            for number, (kind, data) in enumerate(members)
        }  # fmt: skip
        trainers = [recipe.program.build(device) for recipe in recipes]
        crew = Crew(self.recipes, trainers, self.members, [kind for kind, _ in members], tests)
        self.crew = crew if whole("jobs", jobs, 1) == 1 else Forked(crew, jobs)
        self.trainers = trainers

    def close(self) -> None:
        """Stop the trainers."""
        self.crew.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(
        self,
        rounds: int,
        *,
        epochs: int = 1,
        lr: float | Callable[[int], float] | None = None,
        present: Callable[[int], Sequence[int]] | None = None,
        deliver: Deliver | None = None,
    ) -> Iterator[Round]:
        """Rounds up to the number `rounds`, also of a server that continues.

        epochs: of a device in a round; lr: learning rate, or what gives that of a round
        present: which devices get the task of a round (default: all)
        deliver: what becomes of the updates on their way, for experiments with faults
        """
        while self.server.round < rounds:
            number = self.server.round + 1
            rate = lr(number) if callable(lr) else float("nan") if lr is None else lr
            chosen = range(len(self.members)) if present is None else present(number)
            tasks = [(n, self._task(n, epochs, rate)) for n in chosen]
            updates = []
            for (n, _), update in zip(tasks, self.crew.work(tasks), strict=True):
                if update is not None:
                    self.base[n] = self.server.round
                    updates.append(update)
            arriving = updates if deliver is None else deliver(number, updates)
            if self.secure:
                taken = self._add(frozenset(n for n, _ in tasks), arriving)
                self.server.finish()
            else:
                for message in arriving:
                    self.server.offer(message)
                taken = self.server.finish()
            up, down = self.server.bytes_up, self.server.bytes_down
            yield Round(number, self.accuracy(), taken, up, down)

    def _add(self, begun: frozenset[int], arriving: list[bytes]) -> int:
        """Give the server the mean of the updates, and nothing else.  Returns of how many; none
        where too few devices are left."""
        assert self.secure and self._fixed_point
        values = {}
        for message in arriving:
            try:
                update = Update.decode(message)
                change = decoded(update.payload, self.recipes[0].shared.sizes)
            except StateError as error:
                LOG.info("a device's message does not count: %s", error)
                continue
            if update.round == self.server.round + 1:
                values[update.device] = self._fixed_point.encode(change, update.examples)
        try:
            total = self.secure.add(begun, values)
        except StateError as error:
            LOG.info("round %d: %s", self.server.round + 1, error)
            return 0
        self.server.offer_mean(*self._fixed_point.mean(total.total), total.bytes_up)
        return total.devices

    def _task(self, number: int, epochs: int, rate: float) -> bytes:
        order = order_of(self.seed, self.server.round, number)
        return self.server.task(number, self.base[number], epochs, order, rate)

    def accuracy(self) -> float | None:
        """Of the present model over all test examples, each device's with its own personal
        parameters; None without test examples."""
        right, total = self.crew.right(self.server.model)
        return right / total if total else None
