"""The demo's board without a board: the same life on any trainer, with the libraries in Python."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

import trainlet as tl
from trainlet.demo.board import JUDGE, JUDGED, KNOWN, LEARN, NOTHING, STEPPED, Moment
from trainlet.demo.days import NEW, OLD
from trainlet.life import Replay, correct, lesson
from trainlet.life.correct import answer

REPLAYED, ROUNDS, BETWEEN = 64, 8, 2  # as in board/life.c


@dataclass
class Recording:
    clip: np.ndarray
    label: int
    role: int


class Twin:
    """What life.c does, over a trainer."""

    has_flash = False

    def __init__(self, trainer: tl.Trainer) -> None:
        self.trainer = trainer
        self._recordings: dict[int, Recording] = {}
        self._replay = Replay(REPLAYED, NEW + 1)

    def record(self, number: int, clip: np.ndarray, label: int, role: int) -> None:
        self._recordings[number] = Recording(clip, label, role)
        if role == KNOWN:
            self._replay.add(clip, label)

    def ask(self, clip: np.ndarray) -> Moment:
        return self.moment(value=answer(self.trainer, clip))

    def lesson(
        self, first: int, count: int, passes: int, rate: float
    ) -> Generator[Moment, None, Moment]:
        """As `Board.lesson`; the moments come when the lesson is over."""
        own = [self._recordings[k] for k in range(first, first + count)]
        learnt = [one for one in own if one.role == LEARN]
        many = max(len(learnt), OLD) if self._replay.items else 0
        old = [self._replay.draw() for _ in range(many)]
        judges = [one for _, one in sorted(self._recordings.items()) if one.role == JUDGE]
        examples = [(one.clip, one.label) for one in learnt] + old
        judged = [(one.clip, one.label) for one in judges]
        learner = _Learner(self, examples + judged)
        made = lesson(learner, len(examples), len(judged), passes=passes, lr=rate, at_end=True)
        yield from learner.moments
        for one in own:
            if made.learnt and one.role == LEARN:
                self._replay.add(one.clip, one.label)
                one.role = KNOWN
            elif not made.learnt:
                one.role = NOTHING
        return self.moment(
            status=0 if made.learnt else 1, value=len(judged),
            before=made.right_before, after=made.right_after,
        )  # fmt: skip

    def correct(self, number: int, label: int, rate: float) -> Moment:
        one = self._recordings[number]
        done = correct(
            self.trainer, self._replay, one.clip, label, lr=rate, rounds=ROUNDS, old=BETWEEN
        )
        return self.moment(status=0 if done else 1)

    def save(self) -> Moment:
        return self.moment()

    def fail_after(self, written: int) -> None:
        raise AssertionError("a trainer has no Flash")

    def power_off_and_on(self) -> Moment:
        raise AssertionError("a trainer has no Flash")

    def moment(self, **told: Any) -> Moment:
        return Moment(**{
            "kind": 0, "status": 0, "value": 0, "before": 0, "after": 0, "loss": 0.0,
            "instructions": self.trainer.instructions or 0, **told,
        })  # fmt: skip


class _Learner:
    """What a lesson asks of the trainer."""

    def __init__(self, twin: Twin, examples: list[tuple[np.ndarray, int]]) -> None:
        self.moments: list[Moment] = []
        self._twin, self._examples = twin, examples
        self._kept = twin.trainer.save()

    def learn(self, number: int, lr: float) -> None:
        clip, label = self._examples[number]
        loss = self._twin.trainer.step(clip[None], [label], lr)
        self.moments.append(self._twin.moment(kind=STEPPED, loss=float(loss)))

    def right(self, number: int) -> int:
        clip, label = self._examples[number]
        found = answer(self._twin.trainer, clip)
        self.moments.append(self._twin.moment(kind=JUDGED))
        return int(found == label)

    def keep(self) -> None:
        self._kept = self._twin.trainer.save()

    def restore(self) -> None:
        self._twin.trainer.load(self._kept)
