"""Tasks of a few examples, drawn from a data set with many classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainlet.errors import DataError
from trainlet.ir.arguments import whole

LEAST_SHARE, MOST_SHARE = 0.5, 2.0
"""A class's share of the support set varies between these factors."""


@dataclass(frozen=True)
class Episode:
    """One task: rows of the data set to learn from and to test with, and their classes 0..ways-1.

    support, query: indices int64 [n]; support_labels, query_labels: int64 [n]; classes int64
    [ways]: the data set's labels.
    """

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray
    classes: np.ndarray

    @property
    def ways(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Episodes:
    """Various ways and various shots, as Meta-Dataset draws them (Triantafillou et al., 2020).

    ways:          the fewest and the most classes of a task; fewer if the data set has fewer
    support:       examples of a support set at most
    class_support: examples of one class at most
    queries:       test examples of a class; at most half of the smallest class drawn
    shots:         the same number of examples of each class, in the place of various ones

    Raises TrainletError for numbers out of range.
    """

    ways: tuple[int, int] = (5, 50)
    support: int = 500
    class_support: int = 100
    queries: int = 10
    shots: int | None = None

    def __post_init__(self) -> None:
        low, high = self.ways
        whole("the fewest ways", low, 2, 1 << 16)
        whole("the most ways", high, low, 1 << 16)
        whole("support", self.support, high, 1 << 24)
        whole("class_support", self.class_support, 1, 1 << 24)
        whole("queries", self.queries, 1, 1 << 16)
        if self.shots is not None:
            whole("shots", self.shots, 1, 1 << 16)

    def draw(self, labels: ArrayLike, rng: np.random.Generator) -> Episode:
        """One episode.  labels int [n]: the class of each example.

        Raises DataError if fewer classes than the fewest ways have two examples, or enough for
        `shots` and a query.
        """
        names, members = _by_class(labels)
        least = 2 if self.shots is None else self.shots + 1
        usable = [k for k, own in enumerate(members) if len(own) >= least]
        low, high = self.ways
        if len(usable) < low:
            raise DataError(f"{len(usable)} classes have {least} examples or more; allowed: at "
                            f"least {low}, the fewest ways of an episode")  # fmt: skip
        ways = int(rng.integers(low, min(high, len(usable)) + 1))
        chosen = rng.permutation(usable)[:ways]
        drawn = [rng.permutation(members[k]) for k in chosen]
        smallest = min(map(len, drawn))
        spare = smallest // 2 if self.shots is None else smallest - self.shots
        queries = min(self.queries, spare)
        shots = self._shots([len(own) - queries for own in drawn], rng)
        learnt = [own[queries : queries + n] for own, n in zip(drawn, shots, strict=True)]
        tested = [own[:queries] for own in drawn]
        return Episode(
            np.concatenate(learnt), np.repeat(np.arange(ways), shots),
            np.concatenate(tested), np.repeat(np.arange(ways), queries), names[chosen],
        )  # fmt: skip

    def _shots(self, left: list[int], rng: np.random.Generator) -> list[int]:
        """Of each class, whose examples without its queries are `left`."""
        ways, most = len(left), [min(self.class_support, n) for n in left]
        if self.shots is not None:
            return [min(self.shots, n) for n in most]
        filled = rng.uniform()
        size = min(self.support, sum(int(np.ceil(filled * n)) for n in most))
        weights = np.exp(rng.uniform(np.log(LEAST_SHARE), np.log(MOST_SHARE), ways)) * left
        shares = weights / weights.sum()
        spread = (shares * max(0, size - ways)).astype(int) + 1  # at least one of each class
        return [int(min(n, limit)) for n, limit in zip(spread, most, strict=True)]


def _by_class(labels: ArrayLike) -> tuple[np.ndarray, list[np.ndarray]]:
    given = np.asarray(labels)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise DataError(f"the labels are {given.dtype} {list(given.shape)}; allowed: an integer "
                        "for each example")  # fmt: skip
    names, where = np.unique(given, return_inverse=True)
    order = np.argsort(where, kind="stable")
    return names, np.split(order, np.cumsum(np.bincount(where, minlength=len(names)))[:-1])
