"""Examples to learn from and others to validate on, and the runs of a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from trainlet.errors import DataError, shown
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.objective import Losses
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.run.dataset import Dataset

VALIDATED = 4
"""Of so many examples of a class one validates."""


@dataclass(frozen=True)
class Episode:
    """One adaptation: what a device learns from, and other examples that say how well it did."""

    learn: Dataset
    validation: Dataset


@dataclass(frozen=True)
class Run:
    """Rows of a study's examples.  seed: of the order in which they are learnt."""

    learn: np.ndarray
    validation: np.ndarray
    seed: int


@dataclass(frozen=True)
class Study:
    """A pretrained network, examples x [n, *sample] and y [n], and how each run learns.

    rates: learning rates that each run tries, each falling to 0 along a line
    epochs: passes over the rows of a run
    """

    graph: Graph
    x: np.ndarray
    y: np.ndarray
    runs: tuple[Run, ...]
    rates: tuple[float, ...]
    epochs: int
    loss: Losses = "cross_entropy"
    optimizer: Optimizer | None = None
    precision: Int8 | None = None
    device: str = "cpu"

    def optimizer_of(self, scheme: UpdateScheme) -> Optimizer | None:
        """The optimizer, of whose groups those stay that have a parameter of this scheme."""
        groups = getattr(self.optimizer, "groups", {})
        learn = [n for n in self.graph.leaves("param") if n.name in scheme]
        names = [name for n in learn for name in (n.name, *n.attrs.get("aliases", ()))]
        own = {p: f for p, f in groups.items() if any(fnmatchcase(name, p) for name in names)}
        same = self.optimizer is None or own == groups
        return self.optimizer if same else replace(self.optimizer, groups=own)  # type: ignore


def runs_of(data: Any, seeds: int) -> tuple[np.ndarray, np.ndarray, tuple[Run, ...]]:
    """All examples x and y, and the runs over them.

    data: episodes, each of which is learnt with every seed; or arrays (x, y), of which each seed
    draws its own quarter of every class to validate on.  Raises DataError for anything else.
    """
    if isinstance(data, Dataset):
        data = data.x, data.y
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], Episode):
        x, y = map(np.asarray, data)
        if x.ndim < 1 or y.shape[:1] != x.shape[:1]:
            raise DataError(f"x has shape {x.shape} and y {y.shape}; allowed: as many labels as "
                            "examples")  # fmt: skip
        return x, y, tuple(_split(y, seed) for seed in range(seeds))
    episodes = list(data) if isinstance(data, Sequence) and not isinstance(data, str) else []
    if not episodes or not all(isinstance(episode, Episode) for episode in episodes):
        raise DataError(f"the data is {shown(data)}; allowed: arrays (x, y), or a list of "
                        "trainlet.schemes.Episode")  # fmt: skip
    parts = [part for episode in episodes for part in (episode.learn, episode.validation)]
    ends = np.cumsum([len(part) for part in parts])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    x = np.concatenate([np.asarray(part.x) for part in parts])
    y = np.concatenate([np.asarray(part.y) for part in parts])
    return x, y, tuple(Run(*pair, seed) for seed in range(seeds) for pair in pairs)


def by_group(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> list[Episode]:
    """An episode of each group (a person, a device), split as `runs_of` splits all examples."""
    found = []
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        run = _split(y[rows], 0)
        learn, validation = rows[run.learn], rows[run.validation]
        found.append(Episode(Dataset(x[learn], y[learn]), Dataset(x[validation], y[validation])))
    return found


def _split(y: np.ndarray, seed: int) -> Run:
    rng = np.random.default_rng(seed)
    kinds = y if y.ndim == 1 else np.zeros(len(y), int)
    learn, validation = [], []
    for kind in np.unique(kinds):
        rows = rng.permutation(np.flatnonzero(kinds == kind))
        held = max(1, len(rows) // VALIDATED) if len(rows) > 1 else 0
        validation.append(rows[:held])
        learn.append(rows[held:])
    if not sum(map(len, validation)):
        raise DataError(f"{len(y)} examples, at most one of a class; allowed: at least 2 of some "
                        "class, so that one of them can validate")  # fmt: skip
    return Run(np.sort(np.concatenate(learn)), np.sort(np.concatenate(validation)), seed)
