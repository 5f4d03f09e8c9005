"""What a task is: a network that gives features, and episodes of classes that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from trainlet.fewshot import Episodes
from trainlet.fewshot.augment import augment
from trainlet.ir.graph import Graph

SHOTS, QUERIES, PASSES = 5, 10, 4
"""Examples of a class to learn from, and to test with; passes over those to learn from."""


@dataclass(frozen=True)
class Episode:
    """x [ways * shots, *sample] and labels y to learn from, in the order of the classes, and
    examples and labels to test with."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclass(frozen=True)
class Task:
    """features: the network, without a head
    episode:  (part, number) -> an episode; part is "validation" or "test"
    scale:    of the cosine head, as meta-training left it
    sparse:   the published scheme, where the network has one
    passes:   over the examples to learn from
    copies:   whether every other pass learns from changed copies, as validation prefers
    first:    of a method, the rates that are tried first; the others have the study's
    """

    name: str
    network: str
    features: Graph
    ways: int
    episode: Callable[[str, int], Episode]
    scale: float
    sparse: dict[str, float] | None = None
    passes: int = PASSES
    copies: bool = False
    first: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def episode_of(
    x: np.ndarray,
    y: np.ndarray,
    ways: int,
    rng: np.random.Generator,
    test: np.ndarray | None = None,
) -> Episode:
    """Classes drawn from y, examples drawn from x.

    test: which examples test, None for any that are not learnt from; where there are fewer than
    QUERIES of a class, some count twice
    """
    if test is None:
        rule = Episodes((ways, ways), ways * SHOTS, queries=QUERIES, shots=SHOTS)
        e = rule.draw(y, rng)
        return Episode(x[e.support], e.support_labels, x[e.query], e.query_labels)
    classes = rng.permutation(np.unique(y))[:ways]
    learnt = [rng.permutation(np.flatnonzero((y == c) & ~test))[:SHOTS] for c in classes]
    tested = [_drawn(np.flatnonzero((y == c) & test), rng) for c in classes]
    return Episode(
        x[np.concatenate(learnt)], _labels(learnt), x[np.concatenate(tested)], _labels(tested)
    )


def passes(episode: Episode, count: int, copies: bool, seed: int) -> tuple[np.ndarray, ...]:
    """The examples in the order of learning, [count * n, *sample], and their labels.

    copies: of every other pass the examples are changed ones (`trainlet.fewshot.augment`)
    """
    rng = np.random.default_rng([7, seed])
    drawn = torch.Generator().manual_seed(seed)
    x, y = [], []
    for k in range(count):
        order = rng.permutation(len(episode.x))
        own = torch.from_numpy(episode.x[order])
        x.append((augment(own, drawn) if copies and k % 2 else own).numpy())
        y.append(episode.y[order])
    return np.concatenate(x), np.concatenate(y)


def _drawn(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many as test a class; where there are fewer, some count twice."""
    return rng.permutation(rows)[:QUERIES] if len(rows) >= QUERIES else rng.choice(rows, QUERIES)


def _labels(rows: list[np.ndarray]) -> np.ndarray:
    return np.repeat(np.arange(len(rows)), [len(own) for own in rows])
