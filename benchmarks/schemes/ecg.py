"""ECG: a network that knows other patients' beats learns those of a new patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from int8.task import Episode, Task, draw, folded, last_layers, pretrain
from torch import nn

from trainlet.run.dataset import Dataset

VALIDATION_PATIENTS, TEST_PATIENTS = 6, 10
BEATS, LEAST, TESTED, PRETRAINED = 20, 30, 60, 4000
TWO_RECORDS = (201, 202)
"""Of the same person: 202 is in no part if 201 is, and neither is tested."""


def ecg(data: Path) -> Task:
    """Normal, supraventricular and ventricular beats, 20 of each class that the patient has, from
    the first half; as many of each class from the later half test."""
    file = np.load(data / "ecg_mitbih_beats.npz", allow_pickle=False)
    chosen = file["label"] < 3
    label, record = file["label"][chosen].astype(np.int32), file["record"][chosen]
    moment = file["sample"][chosen]
    x = (file["beat"][chosen].astype(np.float32) / 200)[:, None, :, None]  # [n, 1, 128, 1]

    def classes(one: int) -> int:
        return int((np.bincount(label[record == one], minlength=3) >= LEAST).sum())

    several = [one for one in np.unique(record).tolist() if classes(one) >= 2]
    several = np.random.default_rng(1).permutation(several)[: VALIDATION_PATIENTS + TEST_PATIENTS]
    several = [one for one in several if one not in TWO_RECORDS]
    validation, test = several[:VALIDATION_PATIENTS], several[VALIDATION_PATIENTS:]
    apart = [*validation, *test, *TWO_RECORDS]
    rows = np.flatnonzero(~np.isin(record, apart))
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.choice(rows[label[rows] == c], PRETRAINED) for c in range(3)])
    torch.manual_seed(0)
    normed = pretrain(_network(), x[rows], label[rows], 8, _augment)
    model = folded(normed)

    def episode(one: int, seed: int) -> Episode:
        rng = np.random.default_rng([seed, int(one)])
        own = np.flatnonzero(record == one)
        own = own[np.argsort(moment[own])]
        each = [k for c in range(3) if len(k := own[label[own] == c]) >= LEAST]
        first = np.concatenate([k[: len(k) // 2] for k in each])
        later = np.concatenate([k[len(k) // 2 :] for k in each])
        learn, _ = draw(first, label, BEATS, rng)
        many = min(TESTED, *(len(k) - len(k) // 2 for k in each))
        tested, _ = draw(later, label, many, rng)
        return Episode(Dataset(x[learn], label[learn]), Dataset(x[tested], label[tested]))

    def episodes(part: str, seed: int) -> list[Episode]:
        return [episode(one, seed) for one in (test if part == "test" else validation)]

    return Task(
        name="ecg",
        title="Heartbeats of a new patient",
        model=model,
        normed=normed,
        example=(1, 1, 128, 1),
        calibration=x[rows[:: len(rows) // 128]],
        scheme=last_layers(model, 4, [-2, -1]),
        epochs=5,
        episodes=episodes,
    )


def _network() -> nn.Sequential:
    layers, channels = [], 1
    for out in (16, 24, 32, 48):
        layers += [nn.Conv2d(channels, out, (7, 1), (2, 1), (3, 0), bias=False)]
        layers += [nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = rng.uniform(0.8, 1.25, (len(x), 1, 1, 1))
    moved = np.roll(x, int(rng.integers(-3, 4)), 2)
    return (moved * size + rng.normal(0, 0.02, x.shape)).astype(np.float32)
