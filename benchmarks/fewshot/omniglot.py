"""Unseen alphabets of Omniglot, for a network that knows others and for one that knows none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from int8.omniglot import SIDE, drawings_of
from torch import nn

import trainlet as tl
from trainlet.demo.symbol_network import load_meta_trained
from trainlet.fewshot import Episodes

from .networks import inverted, trained
from .task import Episode, Task, episode_of

KNOWN, VALIDATED, WAYS = 20, 4, 5
"""Alphabets to train on, and to choose rates with; the others test."""


def omniglot(data: Path, build: Path) -> Task:
    """Five characters of one alphabet: the inverted bottlenecks know 20 others."""
    drawings, alphabet = drawings_of(data)
    names = np.unique(alphabet)
    known = drawings[np.isin(alphabet, names[:KNOWN])]
    torch.manual_seed(0)
    model, scale = trained(
        inverted(), known.reshape(-1, 1, SIDE, SIDE), np.repeat(np.arange(len(known)), 20),
        build / "fewshot-omniglot", epochs=8, steps=600,
        episodes=Episodes((5, 20), 100, queries=5),
    )  # fmt: skip
    return _task("inverted", model, scale, drawings, alphabet)


def handwriting(data: Path, _build: Path) -> Task:
    """The same, with the network of the demo, which has seen only what a program has drawn."""
    return _task("conv4", *load_meta_trained(), *drawings_of(data))


def _task(
    network: str, model: nn.Module, scale: float, drawings: np.ndarray, alphabet: np.ndarray
) -> Task:
    names = np.unique(alphabet)
    parts = {
        part: [own for a in some if len(own := drawings[alphabet == a]) >= WAYS]
        for part, some in (
            ("validation", names[KNOWN : KNOWN + VALIDATED]),
            ("test", names[KNOWN + VALIDATED :]),
        )
    }

    def episode(part: str, number: int) -> Episode:
        rng = np.random.default_rng([part == "test", number])
        own = parts[part][rng.integers(len(parts[part]))]
        return episode_of(
            own.reshape(-1, 1, SIDE, SIDE), np.repeat(np.arange(len(own)), 20), WAYS, rng
        )

    features = tl.prepare(model, torch.zeros(1, 1, SIDE, SIDE))
    return Task("alphabets", network, features, WAYS, episode, scale)
