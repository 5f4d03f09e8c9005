"""Episodes that learn side by side in one simulation, each with a rate and channels of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

import trainlet as tl
from trainlet.errors import ExperimentsDiverged
from trainlet.ir.graph import Graph

from .task import Episode, passes

AT_ONCE = 60
"""Lessons of one simulation."""
PROTOTYPES = "head.prototypes"
OPTIMIZER = tl.SGD(groups={"head.*": 100.0})
"""The head learns faster: the gradient of a long prototype is small, and its sum of features is
long."""
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=16 << 20, flash=16 << 20)
Masks = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Pupil:
    """An episode, its number, the prototypes that it begins with, and the elements of parameters
    that stay as they are."""

    episode: Episode
    number: int
    prototypes: np.ndarray
    held: Masks | None = None


def prototypes(graph: Graph, episodes: Sequence[Episode]) -> list[np.ndarray]:
    """The sums of the features of each class [ways, features], as `trainer_observe` makes them."""
    simulation = tl.simulate(tl.compile(graph, scheme="last", target="host"), 1)
    found = []
    for e in episodes:
        features = simulation.predict(e.x[None])["features"][0]
        found.append(np.eye(1 + e.y.max(), dtype=np.float32)[e.y].T @ features)
    return found


def accuracies(
    program: tl.CompiledProgram,
    pupils: Sequence[Pupil],
    rates: Sequence[float],
    count: int,
    copies: bool,
) -> np.ndarray:
    """The share of the test examples that are right [rates, pupils]; 0 where one diverges.

    Batch 1, `count` passes, a rate that falls to 0 along a line.  A count of 0 leaves the
    prototypes as they are.
    """
    each = max(1, AT_ONCE // len(rates))
    found = [
        _learnt(program, pupils[at : at + each], rates, count, copies)
        for at in range(0, len(pupils), each)
    ]
    return np.concatenate(found, 1)


def _learnt(
    program: tl.CompiledProgram,
    pupils: Sequence[Pupil],
    rates: Sequence[float],
    count: int,
    copies: bool,
) -> np.ndarray:
    many = len(rates)
    simulation = tl.simulate(program, many * len(pupils))
    simulation.load_state({PROTOTYPES: np.stack([p.prototypes for p in pupils] * many)})
    masks = [p.held or {} for p in pupils] * many
    simulation.hold({n: np.stack([own[n] for own in masks]) for n in masks[0]})
    tested = np.stack([p.episode.test_x for p in pupils])
    x, y, steps = tested, np.zeros((len(pupils), 0), int), 0
    if count:
        orders = [passes(p.episode, count, copies, p.number) for p in pupils]
        learnt, y = (np.stack(part) for part in zip(*orders, strict=True))
        x, steps = np.concatenate([learnt, tested], 1), learnt.shape[1]
    front = simulation.front(x.reshape(-1, *x.shape[2:]))
    rows = np.tile(np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2]), (many, 1))
    falling, labels = np.repeat(rates, len(pupils)), np.tile(y, (many, 1))
    diverged = np.zeros(len(rows), bool)
    for k in range(steps):
        lr = np.where(diverged, 0, falling * (1 - k / steps))
        try:
            simulation.step(front[rows[:, k : k + 1]], labels[:, k : k + 1], lr)
        except ExperimentsDiverged as stopped:
            diverged[stopped.experiments] = True
    logits = simulation.predict(front[rows[:, steps:]])["logits"]
    wanted = np.stack([p.episode.test_y for p in pupils] * many)
    right = np.where(diverged, 0.0, (logits.argmax(2) == wanted).mean(1))
    return right.reshape(many, len(pupils))
