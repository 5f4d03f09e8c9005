"""What a device is: a pretrained network, examples from the factory, and days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from trainlet.run.dataset import Dataset


@dataclass(frozen=True)
class Device:
    """Of one person, or of a household.

    factory: examples of what the network knows, which lie in the device's Flash
    days: what is labelled on each
    tests: examples of each group (a class, a speaker) that no day has
    """

    name: str
    factory: Dataset
    days: list[Dataset]
    tests: Mapping[str, Dataset]


@dataclass(frozen=True)
class Setting:
    """A kind of device.  scheme: what learns of the model's layers before its classifier
    spare: classes that the pretrained network does not have; rate, passes: of a lesson
    replayed, judged: examples that the device keeps, to learn again and to judge by
    """

    name: str
    title: str
    model: nn.Module
    example: tuple[int, ...]
    known: Dataset
    scheme: dict[str, float]
    devices: list[Device]
    rate: float
    spare: int = 1
    passes: int = 4
    replayed: int = 60
    judged: int = 60


def of(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Dataset:
    return Dataset(np.ascontiguousarray(x[rows], np.float32), y[rows].astype(np.int32))


def by_class(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> dict[str, Dataset]:
    """The rows of each class."""
    return {str(k): of(x, y, rows[y[rows] == k]) for k in np.unique(y[rows]).tolist()}


def balanced(y: np.ndarray, rows: np.ndarray, each: int, seed: int) -> np.ndarray:
    """At most `each` rows of every class."""
    order = np.random.default_rng(seed).permutation(rows)
    return np.concatenate([order[y[order] == k][:each] for k in np.unique(y[rows])])


def convolutions(scheme: Mapping[str, float]) -> dict[str, float]:
    """The scheme without its classifier, the layer that it names last."""
    head = list(scheme)[-1].rsplit(".", 1)[0]
    return {name: share for name, share in scheme.items() if name.rsplit(".", 1)[0] != head}
