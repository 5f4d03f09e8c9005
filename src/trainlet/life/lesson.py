"""A lesson, as trainlet_lesson.c gives it: the same order, the same rates, the same judgement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Protocol

import numpy as np

from trainlet.errors import DataError, DivergedError
from trainlet.ir.arguments import whole
from trainlet.ir.roles import LOGITS
from trainlet.run.dataset import Dataset
from trainlet.run.trainer import Trainer


class Learner(Protocol):
    """What a lesson asks of a trainer; examples have numbers."""

    def learn(self, number: int, lr: float) -> None:
        """One step; raises DataError or DivergedError where it is refused and changed nothing."""
        ...

    def right(self, number: int) -> int:
        """1 for an example that is predicted as it is labelled, 0 for another; or a finer score of
        at least 0, the larger the better."""
        ...

    def keep(self) -> None:
        """Keep the present state."""
        ...

    def restore(self) -> None:
        """Bring back the state kept last."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came out of a lesson.

    right_before, right_after: the sums of `right` over the judged examples, with the old state and
        with that at the end
    passes: over the examples; skipped: steps that were refused
    learnt: whether the state is a new one, of a pass that was judged at least as good as the old
    """

    right_before: int
    right_after: int
    passes: int
    skipped: int
    learnt: bool


def lesson(
    learner: Learner,
    learnt: int,
    judged: int,
    *,
    passes: int,
    lr: float,
    patience: int = 0,
    seed: int = 1,
    at_end: bool = False,
) -> Outcome:
    """Learn examples in several passes, judge by others, and end in the best state seen.

    learnt, judged: examples 0..learnt-1 are learnt, the next `judged` ones only judge
    passes: at most, each in an order of its own; lr: falls along a line to 0
    patience: stops after so many passes without a better judgement; 0: never
    seed: of the orders
    at_end: only the state behind the last pass is judged, against the old one
    """
    for name, value in (("learnt", learnt), ("judged", judged), ("passes", passes)):
        whole(name, value, 1)
    random = whole("seed", seed, 0, 2**32 - 1) or 1

    def judge() -> int:
        return sum(learner.right(number) for number in range(learnt, learnt + judged))

    before = best = judge()
    learner.keep()
    done = waited = skipped = 0
    is_new, is_kept, total = False, True, passes * learnt
    while done < passes:
        order, random = _order(learnt, random)
        for k, number in enumerate(order):
            left = np.float32(total - done * learnt - k) / np.float32(total)
            try:
                learner.learn(number, float(np.float32(lr) * left))
            except (DataError, DivergedError):
                skipped += 1
        done += 1
        if at_end and done < passes:
            continue
        right = judge()
        waited = 0 if right > best else waited + 1
        is_kept = right >= best
        if is_kept:
            learner.keep()
            best, is_new = right, True
        if patience and waited == patience:
            break
    if not is_kept:
        learner.restore()
    return Outcome(before, best, done, skipped, is_new)


class TrainerLearner:
    """A trainer with examples in memory; batch 1."""

    def __init__(self, trainer: Trainer, data: Dataset) -> None:
        self.trainer, self.data = trainer, data
        self.keep()

    def learn(self, number: int, lr: float) -> None:
        rows = np.array([number])
        self.trainer.step(self.data.inputs(rows), self.data.targets(rows), lr)

    def right(self, number: int) -> bool:
        rows = np.array([number])
        found = self.trainer.predict(self.data.inputs(rows))
        logits = found[LOGITS] if isinstance(found, dict) else found
        return bool(np.argmax(logits) == np.asarray(self.data.targets(rows)).item())

    def keep(self) -> None:
        self._kept = self.trainer.save()

    def restore(self) -> None:
        self.trainer.load(self._kept)


def _order(n: int, random: int) -> tuple[Iterator[int], int]:
    """Every number below n once, and the next random number."""
    begin = _next(random)
    random = _next(begin)
    stride = 1 + random % n
    while gcd(stride, n) != 1:
        stride += 1
    return ((begin % n + k * stride) % n for k in range(n)), random


def _next(r: int) -> int:
    r ^= r << 13 & 0xFFFFFFFF
    r ^= r >> 17
    return r ^ (r << 5 & 0xFFFFFFFF)
