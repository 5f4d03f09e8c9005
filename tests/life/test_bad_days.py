"""Days that would make a device worse end in the old state: the lesson's judge rolls them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.life import TrainerLearner, lesson
from trainlet.run.dataset import Dataset

CLASSES, LEARNT, JUDGED = 3, 45, 30
CENTRES = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], np.float32)


@pytest.fixture(scope="module")
def device() -> Iterator[tl.Trainer]:
    """A network of two layers that knows the three clouds of points: all of it learns."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    x, y = (torch.from_numpy(part) for part in clouds(600, 0))
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(100):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y.long()).backward()
        adam.step()
    program = tl.compile(model.eval(), torch.zeros(1, 2), "full", target="host")
    with program.build("host") as trainer:
        yield trainer


def clouds(many: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(many) % CLASSES
    x = CENTRES[y] + rng.normal(0, 0.7, (many, 2))
    return x.astype(np.float32), y.astype(np.int32)


Day = tuple[np.ndarray, np.ndarray, float]


def wrong_labels(x: np.ndarray, y: np.ndarray) -> Day:
    return x, (y + 1) % CLASSES, 0.05


def stuck_sensor(x: np.ndarray, y: np.ndarray) -> Day:
    return np.repeat(x[:1], len(x), 0), y, 0.3


def diverged_updates(x: np.ndarray, y: np.ndarray) -> Day:
    return x, y, 1e6


def imbalanced_day(x: np.ndarray, y: np.ndarray) -> Day:
    """Nothing but points between two clouds, which are all called by one name."""
    return (x + CENTRES[1]) / 2, np.ones_like(y), 0.3


BAD = (wrong_labels, stuck_sensor, diverged_updates, imbalanced_day)


def learnt(trainer: tl.Trainer, day: Day, seed: int) -> bool:
    x, y, lr = day
    kept_x, kept_y = clouds(JUDGED, 1000 + seed)
    data = Dataset(np.concatenate([x, kept_x]), np.concatenate([y, kept_y]))
    return lesson(TrainerLearner(trainer, data), LEARNT, JUDGED, passes=4, lr=lr, seed=seed).learnt


@pytest.mark.parametrize("day", BAD, ids=lambda day: day.__name__)
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_bad_day_ends_in_the_old_state(device: tl.Trainer, day, seed: int):
    device.reset()
    old = device.save()
    assert not learnt(device, day(*clouds(LEARNT, seed)), seed)
    assert device.save() == old


@pytest.mark.parametrize("day", BAD, ids=lambda day: day.__name__)
def test_without_the_judge_it_would_be_worse(device: tl.Trainer, day):
    """Otherwise the test above would show nothing."""
    device.reset()
    x, y, lr = day(*clouds(LEARNT, 1))
    before = right(device)
    for k in range(4 * LEARNT):
        with suppress(tl.TrainletError):
            device.step(x[k % LEARNT][None], y[k % LEARNT][None], lr)
    assert right(device) < before - 0.1


def test_a_good_day_is_learnt(device: tl.Trainer):
    """All points have moved: the judge, who has seen some of them, lets it pass."""
    device.reset()
    x, y = clouds(LEARNT + JUDGED, 7)
    data = Dataset(np.stack([-x[:, 1], x[:, 0]], 1), y)
    found = lesson(TrainerLearner(device, data), LEARNT, JUDGED, passes=4, lr=0.1)
    assert found.learnt and found.right_after > found.right_before + 5


def right(trainer: tl.Trainer) -> float:
    x, y = clouds(300, 5)
    found = [np.argmax(trainer.predict(one[None])) for one in x]
    return float((np.array(found) == y).mean())
