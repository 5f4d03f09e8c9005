"""Devices of a simulated fleet: they do their tasks in this process, or in several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from trainlet.errors import DeviceFault, DivergedError
from trainlet.fleet.member import Member, Recipe, load, work
from trainlet.fleet.server import LOG
from trainlet.run.dataset import Dataset
from trainlet.run.fit import score
from trainlet.run.trainer import Trainer


@dataclass
class Crew:
    """Devices one after the other.  Those of one kind share a trainer, which takes each device's
    state in turn, so that 1,000 devices need the memory of one.

    kind: of each member, which recipe and trainer it has; tests: test examples of each, or none
    """

    recipes: Sequence[Recipe]
    trainers: Sequence[Trainer]
    members: Mapping[int, Member]
    kind: Sequence[int]
    tests: Sequence[Dataset | None] | None = None

    def work(self, tasks: Sequence[tuple[int, bytes]]) -> list[bytes | None]:
        """The update of each device for its task; None where its training diverges."""
        return [self._update(number, task) for number, task in tasks]

    def _update(self, number: int, task: bytes) -> bytes | None:
        kind = self.kind[number]
        try:
            return work(self.trainers[kind], self.recipes[kind], self.members[number], task)
        except DivergedError as error:
            LOG.info("device %d sends nothing: %s", number, error)
            return None

    def right(self, model: np.ndarray) -> tuple[int, int]:
        """How many test examples are classified rightly, and how many there are; each device's
        with its own personal parameters."""
        right = total = 0
        for number, member in self.members.items():
            test = self.tests[number] if self.tests else ()
            if isinstance(test, Dataset):
                kind = self.kind[number]
                trainer = self.trainers[kind]
                load(trainer, self.recipes[kind], member, model)
                found = list(score(trainer, test))[-1].accuracy or 0.0
                right, total = right + round(found * len(test)), total + len(test)
        return right, total

    def close(self) -> None:
        """Stop the trainers."""
        for trainer in self.trainers:
            trainer.close()


class Forked:
    """A crew divided among processes.  A device always has the same process, which keeps what the
    device keeps."""

    def __init__(self, crew: Crew, jobs: int) -> None:
        """The processes have copies of the crew's trainers, made by fork."""
        self.crew, self.jobs = crew, jobs
        context = get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        for k in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(crew, k, jobs, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def work(self, tasks: Sequence[tuple[int, bytes]]) -> list[bytes | None]:
        """As of `Crew`."""
        shares = [[task for task in tasks if task[0] % self.jobs == k] for k in range(self.jobs)]
        answers = self._ask("work", shares)
        found = {task[0]: update for share, updates in zip(shares, answers, strict=True)
                 for task, update in zip(share, updates, strict=True)}  # fmt: skip
        return [found[number] for number, _ in tasks]

    def right(self, model: np.ndarray) -> tuple[int, int]:
        """As of `Crew`."""
        counts = self._ask("right", [model] * self.jobs)
        return sum(right for right, _ in counts), sum(total for _, total in counts)

    def _ask(self, what: str, arguments: Sequence[Any]) -> list[Any]:
        for pipe, argument in zip(self._pipes, arguments, strict=True):
            pipe.send((what, argument))
        answers = []
        for pipe in self._pipes:
            try:
                answer = pipe.recv()
            except EOFError:
                raise DeviceFault("a process of the fleet ended; run it with one job") from None
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return answers

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
            pipe.close()
        for process in self._processes:
            process.join()
        self.crew.close()


def _serve(crew: Crew, number: int, jobs: int, pipe: Connection) -> None:
    """One process: answers until it is sent None."""
    own = {k: member for k, member in crew.members.items() if k % jobs == number}
    part = Crew(crew.recipes, crew.trainers, own, crew.kind, crew.tests)
    while True:
        try:
            asked = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if asked is None:
            return
        what, argument = asked
        try:
            pipe.send(getattr(part, what)(argument))
        except Exception as error:  # the parent raises it
            pipe.send(error)
