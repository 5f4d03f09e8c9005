"""Omniglot: a network that has learnt one alphabet is shown the characters of another one."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from int8.omniglot import drawings_of
from int8.task import Episode, Task, pretrain, with_new_head
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

from trainlet.run.dataset import Dataset

from .bottlenecks import bottlenecks, folded_bottlenecks

SIDE, CHARACTERS, SHOTS = 28, 10, 10
PRETRAINED, EPOCHS = 20, 6
VALIDATION_ALPHABETS, TEST_ALPHABETS = 3, 6


def omniglot(data: Path) -> Task:
    """Ten characters of a new alphabet, ten drawings of each; ten other people's drawings test.
    The network has learnt the characters of one alphabet."""
    drawings, alphabet = drawings_of(data)
    large = [a for a in np.unique(alphabet) if (alphabet == a).sum() >= CHARACTERS]
    large = np.random.default_rng(0).permutation(large)
    first = VALIDATION_ALPHABETS + TEST_ALPHABETS
    parts = {"validation": large[:VALIDATION_ALPHABETS], "test": large[VALIDATION_ALPHABETS:first]}
    known = drawings[alphabet == large[first]]
    x = known.reshape(-1, 1, SIDE, SIDE)
    y = np.repeat(np.arange(len(known)), known.shape[1])
    torch.manual_seed(0)
    trained = pretrain(bottlenecks(len(known)), x, y, PRETRAINED, _augment)
    normed = with_new_head(trained, CHARACTERS)
    head = normed[-1]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():  # a large random head would send noise back into the backbone
        head.weight /= 8
        head.bias.zero_()
    model = folded_bottlenecks(deepcopy(normed))

    def episode(which: int, seed: int) -> Episode:
        rng = np.random.default_rng([seed, int(which)])
        own = drawings[alphabet == which]
        chosen = own[rng.permutation(len(own))[:CHARACTERS]]
        people = rng.permutation(chosen.shape[1])
        return Episode(_dataset(chosen[:, people[:SHOTS]]), _dataset(chosen[:, people[-10:]]))

    def episodes(part: str, seed: int) -> list[Episode]:
        return [episode(a, seed) for a in parts[part]]

    return Task(
        name="omniglot",
        title="Omniglot, another alphabet",
        model=model,
        normed=normed,
        example=(1, 1, SIDE, SIDE),
        calibration=x[:: len(x) // 128],
        scheme={},
        epochs=EPOCHS,
        episodes=episodes,
    )


def _dataset(drawings: np.ndarray) -> Dataset:
    y = np.repeat(np.arange(len(drawings), dtype=np.int32), drawings.shape[1])
    return Dataset(np.ascontiguousarray(drawings).reshape(-1, 1, SIDE, SIDE), y)


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The drawings turned, sheared, stretched and moved a little."""
    change = torch.zeros(len(x), 2, 3)
    change[:, :, :2] = torch.eye(2) + torch.tensor(rng.normal(0, 0.12, (len(x), 2, 2)))
    change[:, :, 2] = torch.tensor(rng.uniform(-0.1, 0.1, (len(x), 2)))
    grid = affine_grid(change, list(x.shape), align_corners=False)
    return grid_sample(torch.from_numpy(x), grid, align_corners=False).numpy()
