"""Human activity: a network that knows other people's phones moves to a new person's watch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from trainlet.run.dataset import Dataset

from .task import Episode, Task, draw, folded, last_layers, pretrain

VALIDATION_PEOPLE, TEST_PEOPLE, EACH = 4, 6, 8


def activity(data: Path, each: int = EACH) -> Task:
    """So many windows of each activity to learn from; the test is on other recordings."""
    file = np.load(data / "har_phone_watch_windows.npz", allow_pickle=False)
    x = file["window"].astype(np.float32) * file["scale"] / 5
    x = np.ascontiguousarray(x.transpose(0, 2, 1))[..., None]  # [n, 6 axes, 64 moments, 1]
    label = file["label"].astype(np.int32)
    who, execution, watch = file["subject"], file["execution"], file["is_watch"] == 1
    people = np.random.default_rng(0).permutation(np.unique(who))
    split = np.split(people, [VALIDATION_PEOPLE, VALIDATION_PEOPLE + TEST_PEOPLE])
    validation, test, known = split
    rows = np.flatnonzero(np.isin(who, known) & ~watch)
    torch.manual_seed(0)
    trained = pretrain(_network(), x[rows], label[rows], 25, _augment)
    model = folded(trained)

    def episode(person: int, seed: int) -> Episode:
        rng = np.random.default_rng([seed, int(person)])
        own = np.flatnonzero((who == person) & watch)
        recordings = rng.permutation(np.unique(execution[own]))
        learning = np.isin(execution[own], recordings[: len(recordings) // 2])
        learn, _ = draw(own[learning], label, each, rng)
        rest = own[~learning]
        return Episode(Dataset(x[learn], label[learn]), Dataset(x[rest], label[rest]))

    def episodes(part: str, seed: int) -> list[Episode]:
        return [episode(p, seed) for p in (test if part == "test" else validation)]

    return Task(
        name="activity",
        title="Human activity, watch of a new person",
        model=model,
        normed=trained,
        example=(1, 6, 64, 1),
        calibration=x[np.flatnonzero(np.isin(who, known))[::16]],
        scheme=last_layers(model, 4, [-2, -1]),
        epochs=5,
        episodes=episodes,
        validation_runs=3,
    )


def _network() -> nn.Sequential:
    layers, channels = [], 6
    for out, stride in ((24, 1), (32, 2), (48, 2), (48, 2)):
        layers += [nn.Conv2d(channels, out, (5, 1), (stride, 1), (2, 0), bias=False)]
        layers += [nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = rng.uniform(0.9, 1.1, (len(x), x.shape[1], 1, 1))
    return (x * size + rng.normal(0, 0.02, x.shape)).astype(np.float32)
