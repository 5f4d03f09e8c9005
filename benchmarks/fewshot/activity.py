"""A new person's activities: the network knows other people's phones, and meets a watch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import trainlet as tl
from trainlet.fewshot import Episodes

from .networks import convolutions, trained
from .task import SHOTS, Episode, Task, episode_of

VALIDATED, TESTED, WAYS = 4, 6, 5
"""People, and activities."""


def activity(data: Path, build: Path) -> Task:
    """Five activities of one person, five windows of each; other recordings test.

    People with fewer than ten windows of an activity are among those whom the network knows.
    """
    with np.load(data / "har_phone_watch_windows.npz", allow_pickle=False) as file:
        x = file["window"].astype(np.float32) * file["scale"] / 5
        label, who = file["label"].astype(np.int64), file["subject"]
        recording, watch = file["execution"], file["is_watch"] == 1
    x = np.ascontiguousarray(x.transpose(0, 2, 1))[..., None]  # [n, 6 axes, 64 moments, 1]
    people = [p for p in np.unique(who) if _fewest(label[(who == p) & watch]) >= 2 * SHOTS]
    people = np.random.default_rng(0).permutation(people)[: VALIDATED + TESTED]
    rows = np.flatnonzero(~np.isin(who, people) & ~watch)
    torch.manual_seed(0)
    network = convolutions(6, ((24, 1), (32, 2), (48, 2), (48, 2)), (5, 1))
    model, scale = trained(
        network, x[rows], label[rows], build / "fewshot-activity", epochs=10, steps=300,
        episodes=Episodes((WAYS, WAYS), 50, queries=10),
    )  # fmt: skip
    parts = {"validation": people[:VALIDATED], "test": people[VALIDATED:]}

    def episode(part: str, number: int) -> Episode:
        rng = np.random.default_rng([part == "test", number])
        person = parts[part][rng.integers(len(parts[part]))]
        own = np.flatnonzero((who == person) & watch)
        test = np.ones(len(own), bool)
        while _fewest(label[own][~test]) < SHOTS or _fewest(label[own][test]) < 2:
            halves = rng.permutation(np.unique(recording[own]))
            test = np.isin(recording[own], halves[len(halves) // 2 :])
        return episode_of(x[own], label[own], WAYS, rng, test)

    features = tl.prepare(model, torch.zeros(1, 6, 64, 1))
    return Task("activities", "conv4", features, WAYS, episode, scale)


def _fewest(label: np.ndarray) -> int:
    return int(np.bincount(label, minlength=WAYS).min())
