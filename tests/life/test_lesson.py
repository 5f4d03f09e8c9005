"""A lesson ends in the best state seen: C and Python alike, whatever the judgements are."""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from life.library import built
from trainlet.errors import DivergedError, TrainletError
from trainlet.life import Outcome, TrainerLearner, lesson
from trainlet.run.dataset import dataset

LEARN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint32, c.c_float)
RIGHT = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint32)
KEEP = c.CFUNCTYPE(c.c_int, c.c_void_p)


class Callbacks(c.Structure):
    _fields_ = (
        ("learn", LEARN), ("right", RIGHT), ("keep", KEEP), ("restore", KEEP), ("all", c.c_void_p),
    )  # fmt: skip


class Lesson(c.Structure):
    _fields_ = (
        *((name, c.c_uint32) for name in ("learnt", "judged", "passes")), ("lr", c.c_float),
        *((name, c.c_uint32) for name in ("patience", "seed", "at_end", "right_before",
                                          "right_after", "passes_done", "skipped")),
    )  # fmt: skip


library = partial(built, "lesson")


@dataclass
class Scripted:
    """Judged as the script says, one entry a judgement: so many of the examples are right.

    state: the passes learnt; refused: examples whose steps diverge
    """

    script: list[int]
    learnt: int
    refused: tuple[int, ...] = ()
    steps: list[tuple[int, float]] = field(default_factory=list)
    state: float = 0.0
    kept: float = -1.0
    judgements: int = 0

    def learn(self, number: int, lr: float) -> None:
        if number in self.refused:
            raise DivergedError("refused")
        self.steps.append((number, lr))
        self.state = len(self.steps)

    def right(self, number: int) -> bool:
        if number == self.learnt:
            self.judgements += 1
        return number - self.learnt < self.script[self.judgements - 1]

    def keep(self) -> None:
        self.kept = self.state

    def restore(self) -> None:
        self.state = self.kept


def in_c(learner: Scripted, fails: str = "", **options: float) -> tuple[int, Lesson]:
    def learn(_: int, number: int, lr: float) -> int:
        try:
            learner.learn(number, lr)
        except DivergedError:
            return -3
        return 0

    def done(what: str) -> int:
        getattr(learner, what)()
        return -(what == fails)

    callbacks = Callbacks(
        LEARN(learn),
        RIGHT(lambda _, k: -1 if fails == "right" and learner.steps else learner.right(k)),
        KEEP(lambda _: done("keep")),
        KEEP(lambda _: done("restore")),
    )
    asked = Lesson(**options)
    return library().trainlet_lesson_run(c.byref(callbacks), c.byref(asked)), asked


@pytest.mark.parametrize(
    "script, patience, refused, state",
    [
        ([3, 4, 5, 6, 6], 0, (), 4),
        ([3, 2, 1, 2, 2], 0, (), 0),
        ([3, 5, 4, 4, 4], 2, (), 1),
        ([3, 3, 3, 3, 3], 3, (), 3),
        ([0, 6, 5, 6, 1], 0, (2,), 3),
    ],
)
def test_it_ends_in_the_best_state_in_c_and_in_python(
    script: list[int], patience: int, refused: tuple[int, ...], state: int
):
    options = {"learnt": 9, "judged": 6, "passes": 4, "lr": 0.3, "patience": patience, "seed": 5}
    ours, theirs = (Scripted(script, 9, refused) for _ in range(2))
    learnt, judged = options.pop("learnt"), options.pop("judged")
    found = lesson(ours, int(learnt), int(judged), **options)
    status, asked = in_c(theirs, learnt=9, judged=6, **options)
    own = Outcome(
        asked.right_before, asked.right_after, asked.passes_done, asked.skipped, not status
    )
    assert found == own and status in (0, 1)
    assert ours.steps == theirs.steps and ours.state == theirs.state
    assert ours.state == state * (9 - len(refused))
    assert found.right_after == max(script[: found.passes + 1]) >= found.right_before


@pytest.mark.parametrize("script, state", [([3, 4], 4), ([3, 2], 0), ([3, 3], 4)])
def test_the_last_state_may_be_all_that_is_judged(script: list[int], state: int):
    options = {"passes": 4, "lr": 0.3, "seed": 5, "at_end": True}
    ours, theirs = (Scripted(script, 9) for _ in range(2))
    found = lesson(ours, 9, 6, **options)
    status, asked = in_c(theirs, learnt=9, judged=6, **options)
    assert ours.steps == theirs.steps and ours.state == theirs.state == 9 * state
    assert found.learnt == (not status) == (state > 0)
    assert (found.passes, found.right_after) == (4, asked.right_after) == (4, max(script))


def test_each_pass_learns_every_example_once_in_its_own_order_at_falling_rates():
    learner = Scripted([0] * 4, 10)
    lesson(learner, 10, 3, passes=3, lr=0.5)
    orders = [[k for k, _ in learner.steps[at : at + 10]] for at in (0, 10, 20)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    rates = [rate for _, rate in learner.steps]
    assert np.allclose(rates, 0.5 * np.arange(30, 0, -1) / 30)


@pytest.mark.parametrize(
    "fails, status", [("right", -202), ("keep", -203), ("restore", -204), ("", -201)]
)
def test_c_reports_what_failed(fails: str, status: int):
    learner = Scripted([3, 2, 2], 4)
    options = {"learnt": 4, "judged": 5, "passes": 2 if fails else 0, "lr": 0.1}
    found, _ = in_c(learner, fails, **options)
    assert found == status
    assert learner.state == (learner.kept if fails else 0)


def test_wrong_labels_are_rolled_back():
    torch.manual_seed(0)
    model = nn.Linear(2, 2).eval()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        model.bias.zero_()
    program = tl.compile(model, torch.zeros(1, 2), "full", target="host")
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    y = (x[:, 1] > x[:, 0]).astype(np.int32)
    wrong = np.concatenate([1 - y[:30], y[30:]])
    with program.build("host") as trainer:
        before = trainer.save()
        learner = TrainerLearner(trainer, dataset(program, x, wrong))
        found = lesson(learner, 30, 10, passes=3, lr=1.0)
        assert not found.learnt and found.right_after == found.right_before == 10
        assert trainer.save() == before
        learner = TrainerLearner(trainer, dataset(program, x, y))
        assert lesson(learner, 30, 10, passes=3, lr=0.1).learnt
        assert trainer.save() != before


@pytest.mark.parametrize("name", ["learnt", "judged", "passes"])
def test_nothing_to_learn_or_to_judge_by_is_refused(name: str):
    options = {"learnt": 2, "judged": 2, "passes": 2} | {name: 0}
    with pytest.raises(TrainletError, match=f"{name}.*0"):
        lesson(
            Scripted([0], 2), options["learnt"], options["judged"], passes=options["passes"], lr=1
        )
