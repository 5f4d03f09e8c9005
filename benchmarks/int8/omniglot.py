"""Omniglot: a small network that has learnt some alphabets is shown another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from trainlet.run.dataset import Dataset

from .task import Episode, Task, folded, last_layers, pretrain, with_new_head

SIDE, CHARACTERS, SHOTS = 28, 20, 5
KNOWN_ALPHABETS, VALIDATION_ALPHABETS, TEST_ALPHABETS = 5, 3, 4
CROP = 4 * SIDE - 105  # paper added around the drawing, so that 4x4 pixels become one


def omniglot(data: Path) -> Task:
    """Twenty characters of a new alphabet, five drawings of each; the test is by other people."""
    drawings, alphabet = drawings_of(data)
    large = [a for a in np.unique(alphabet) if (alphabet == a).sum() >= CHARACTERS]
    large = np.random.default_rng(0).permutation(large)
    parts = {
        "validation": large[:VALIDATION_ALPHABETS],
        "test": large[VALIDATION_ALPHABETS:][:TEST_ALPHABETS],
    }
    known = drawings[np.isin(alphabet, large[-KNOWN_ALPHABETS:])]
    x = known.reshape(-1, 1, SIDE, SIDE)
    y = np.repeat(np.arange(len(known)), known.shape[1])
    torch.manual_seed(0)
    trained = pretrain(_network(len(known)), x, y, 15, _augment)
    model = with_new_head(folded(trained), CHARACTERS)

    def episode(which: int, seed: int) -> Episode:
        rng = np.random.default_rng([seed, int(which)])
        chosen = drawings[alphabet == which][:CHARACTERS]
        people = rng.permutation(chosen.shape[1])
        return Episode(
            _dataset(chosen[:, people[:SHOTS]]), _dataset(chosen[:, people[SHOTS:][:10]])
        )

    def episodes(part: str, seed: int) -> list[Episode]:
        return [episode(a, seed) for a in parts[part]]

    return Task(
        name="omniglot",
        title="Omniglot, per alphabet",
        model=model,
        example=(1, 1, SIDE, SIDE),
        calibration=x[:: len(x) // 128],
        scheme=last_layers(model, 4, [-2, -1]),
        epochs=5,
        episodes=episodes,
        validation_runs=2,
    )


def drawings_of(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Drawings [characters, people, 28, 28] and the alphabet of each character."""
    file = np.load(data / "omniglot_105_bits.npz", allow_pickle=False)
    return _ink(file["bits"]), file["alphabet"]


def _ink(bits: np.ndarray) -> np.ndarray:
    """Packed 105x105 drawings -> 28x28, ink 1, paper 0."""
    paper = np.unpackbits(bits, axis=-1)[..., : 105 * 105].reshape(*bits.shape[:2], 105, 105)
    around = (CROP // 2, CROP - CROP // 2)
    ink = np.pad(1 - paper, ((0, 0), (0, 0), around, around))
    blocks = ink.reshape(*bits.shape[:2], SIDE, 4, SIDE, 4)
    return np.minimum(blocks.mean((3, 5), dtype=np.float32) * 2, 1)


def _dataset(drawings: np.ndarray) -> Dataset:
    y = np.repeat(np.arange(len(drawings), dtype=np.int32), drawings.shape[1])
    return Dataset(drawings.reshape(-1, 1, SIDE, SIDE), y)


def _network(classes: int) -> nn.Sequential:
    layers, channels = [], 1
    for out in (24, 32, 48, 64):
        layers += [nn.Conv2d(channels, out, 3, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    head = nn.Linear(channels * 4, classes)
    return nn.Sequential(*layers, nn.Flatten(), head)


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The batch, moved by up to two pixels."""
    down, right = rng.integers(-2, 3, 2)
    return np.roll(x, (down, right), (2, 3))
