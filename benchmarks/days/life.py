"""A device lives its days in one of several ways, with the libraries that firmware gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import trainlet as tl
from trainlet.life import Drift, Replay, TrainerLearner, Verdict, lesson
from trainlet.run.dataset import Dataset

from .device import Device, Setting

SLACK, LIMIT = 0.25, 8.0
"""Of the watch, for days of 20 to 60 examples."""


@dataclass(frozen=True)
class Way:
    """learns: at all; replay: learns old examples beside the day's; judge: keeps a state only if
    kept examples say so; drift: a lesson only on days that look strange"""

    learns: bool = True
    replay: bool = False
    judge: bool = False
    drift: bool = False


WAYS = {
    "no learning": Way(learns=False),
    "the day's examples": Way(),
    "with replay": Way(replay=True),
    "with the judge": Way(judge=True),
    "with both": Way(replay=True, judge=True),
    "both, when it drifts": Way(replay=True, judge=True, drift=True),
}


class Judged(TrainerLearner):
    """By how far the right logit is above the largest other one, from -2 to 2."""

    def right(self, number: int) -> int:
        logits = self.trainer.predict(self.data.inputs(np.array([number])))["logits"][0]
        label = int(self.data.y[number])
        above = logits[label] - np.delete(logits, label).max()
        return 500 + int(np.clip(250 * above, -500, 500))


class Unjudged(TrainerLearner):
    """Every state is as good as the one before, so that the last one stays."""

    def right(self, number: int) -> int:
        return 1


@dataclass
class Days:
    """curve: the accuracy on each group [days + 1][groups]; lessons, learnt: given, and kept
    drops: accuracy behind each lesson less that before it"""

    curve: list[list[float]]
    lessons: int = 0
    learnt: int = 0
    drops: list[float] | None = None


def lived(
    trainer: tl.Trainer,
    setting: Setting,
    device: Device,
    way: Way,
    wrong_day: int | None,
    seed: int,
) -> Days:
    """The days in order; on `wrong_day` every label is the next class's."""
    trainer.reset()
    classes = int(setting.known.y.max()) + 1 + setting.spare
    replay, judge = (Replay(n, classes, seed + 1) for n in (setting.replayed, setting.judged))
    _put(device.factory, replay, judge, every=2)
    found = Days([accuracies(trainer, device)], drops=[])
    taught = int(setting.known.y.max())
    for number, day in enumerate(device.days):
        strange = not way.drift or drifted(trainer, replay, day)
        if number == wrong_day:
            day = Dataset(day.x, (day.y + 1) % (taught + 1))
        learn, aside = _parts(day, seed + number)
        trusted = True
        if way.learns and strange:
            for x, y in zip(learn.x, learn.y, strict=True):
                if y > taught:
                    trainer.observe(x[None], [y])
            taught = max(taught, int(day.y.max()))
            trusted = _lesson(
                trainer, setting, way, learn, aside, replay, judge, seed + number, found
            )
        if trusted:  # what the judge refused is not kept either
            _put(learn, replay)
            _put(aside, judge)
        found.curve.append(accuracies(trainer, device))
        if way.learns and strange:
            before, after = (float(np.mean(c)) for c in found.curve[-2:])
            found.drops = [*(found.drops or []), after - before]
    return found


def _lesson(
    trainer: tl.Trainer, setting: Setting, way: Way, learn: Dataset, aside: Dataset,
    replay: Replay, judge: Replay, seed: int, found: Days,
) -> bool:  # fmt: skip
    """Learn the day's examples and, with replay, as many old ones; judge by old and new.  Whether
    the new state stays."""
    old = [replay.draw() for _ in range(len(learn))] if way.replay else []
    if not way.judge and len(aside):
        learn = _joined(learn, [(x, y) for x, y in zip(aside.x, aside.y, strict=True)])
    learnt = _joined(learn, old)
    kept = list(zip(judge.items, judge.labels, strict=True))
    kept += [(x, int(y)) for x, y in zip(aside.x, aside.y, strict=True)]
    learner = Judged if way.judge else Unjudged
    made = lesson(
        learner(trainer, _joined(learnt, kept)), len(learnt), len(kept),
        passes=setting.passes, lr=setting.rate, seed=seed + 1, at_end=True,
    )  # fmt: skip
    found.lessons += 1
    found.learnt += made.learnt
    return made.learnt


def drifted(trainer: tl.Trainer, replay: Replay, day: Dataset) -> bool:
    """Whether the network is less sure of the day's inputs than of the kept examples."""
    watch = Drift(1, len(replay.items), slack=SLACK, limit=LIMIT, stuck=0)
    for x in replay.items:
        watch.see([_sureness(trainer, x)])
    return Verdict.LEARN in [watch.see([_sureness(trainer, x)]) for x in day.x]


def _sureness(trainer: tl.Trainer, x: np.ndarray) -> float:
    """The largest value of the softmax."""
    logits = trainer.predict(x[None])["logits"][0]
    return float(1 / np.exp(logits - logits.max()).sum())


def accuracies(trainer: tl.Trainer, device: Device) -> list[float]:
    """Of each group."""
    found = []
    for data in device.tests.values():
        logits = np.stack([trainer.predict(x[None])["logits"][0] for x in data.x])
        found.append(float((logits.argmax(1) == data.y).mean()))
    return found


def _parts(day: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Three quarters of each class to learn, a quarter, if there is one, set aside to judge."""
    order = np.random.default_rng(seed).permutation(len(day))
    aside = np.concatenate([rows[3::4] for k in np.unique(day.y)
                            for rows in [order[day.y[order] == k]]])  # fmt: skip
    learn = order[~np.isin(order, aside)]
    return Dataset(day.x[learn], day.y[learn]), Dataset(day.x[aside], day.y[aside])


def _joined(data: Dataset, more: list) -> Dataset:
    if not more:
        return data
    x, y = zip(*more, strict=True)
    return Dataset(np.concatenate([data.x, np.stack(x)]),
                   np.concatenate([data.y, np.array(y, np.int32)]))  # fmt: skip


def _put(data: Dataset, *stores: Replay, every: int = 1) -> None:
    """Every example into one of the stores, in turn."""
    for k, (x, y) in enumerate(zip(data.x, data.y, strict=True)):
        stores[k % every if every > 1 else 0].add(x, int(y))
