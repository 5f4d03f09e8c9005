"""When to ask for a label and when to learn, as trainlet_drift.c says it: the same verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.errors import DataError
from trainlet.ir.arguments import whole

LARGEST = np.float32(1e15)
_ONE, _SMALLEST = np.float32(1), np.float32(1e-12)


class Verdict(IntEnum):
    """On one row; the numbers are those of trainlet_drift.h."""

    USUAL = 0
    SETTLING = 1
    """Not enough rows yet."""
    ASK = 2
    """A strange row: ask for a label."""
    LEARN = 3
    """Rows have been stranger for a while: learn now."""
    STUCK = 4
    """The same row again and again: learn nothing from it."""


@dataclass
class Drift:
    """Watches rows of numbers, such as features, in float32.

    The distance of a row is its mean squared deviation from the usual rows, each number in units of
    its variance: Mahalanobis with a diagonal covariance (Lee et al., NeurIPS 2018).  Growth is a
    cumulative sum (Page, Biometrika 1954) of deviations above the usual distance.

    width: numbers of a row; settle: rows that tell what is usual
    strange: deviations above the usual distance from which a row is strange
    slack, limit: deviations that do not count as growth; limit of the sum
    stuck: so many rows with exactly one distance come from a stuck sensor; 0: never
    """

    width: int
    settle: int
    strange: float = 4.0
    slack: float = 1.0
    limit: float = 10.0
    stuck: int = 8

    def __post_init__(self) -> None:
        whole("width", self.width, 1)
        whole("settle", self.settle, 2)
        self.reset()

    def reset(self) -> None:
        """The next rows tell anew what is usual: after a lesson that changed the features."""
        self.mean = np.zeros(self.width, np.float32)
        self.inverse = np.zeros(self.width, np.float32)
        self._seen = self._same = 0
        self._last = self._usual = self._scatter = self._sum = np.float32(0)

    def see(self, row: ArrayLike) -> Verdict:
        """The verdict on a row [width].

        Raises DataError for another shape and for numbers that are not finite or beyond 1e15;
        nothing is changed then.
        """
        given = np.asarray(row, np.float32)
        if given.shape != (self.width,) or not (abs(given) < LARGEST).all():
            raise DataError(f"a row has shape {given.shape}; allowed: ({self.width},), of finite "
                            "numbers within 1e15")  # fmt: skip
        half = self.settle // 2
        if self._seen >= self.settle:
            return self._judge(self._distance(given))
        self._seen += 1
        if self._seen <= half:
            self.mean, self.inverse = _take(self.mean, self.inverse, given, self._seen)
            if self._seen == half:
                self._invert(np.float32(half))
        else:
            distance = self._distance(given)
            self._usual, self._scatter = _take(
                self._usual, self._scatter, distance, self._seen - half
            )
        return Verdict.SETTLING

    def _invert(self, n: np.float32) -> None:
        mean_variance = _sum(self.inverse / n) / np.float32(self.width)
        floor = np.float32(0.01) * mean_variance + _SMALLEST
        self.inverse = _ONE / (self.inverse / n + floor)

    def _distance(self, row: np.ndarray) -> np.float32:
        apart = row - self.mean
        return _sum(apart * apart * self.inverse) / np.float32(self.width)

    def _deviations(self, distance: np.float32) -> np.float32:
        variance = self._scatter / np.float32(self.settle - self.settle // 2) + _SMALLEST
        apart, most = distance - self._usual, np.float32(self.strange)
        if apart * apart >= most * most * variance:
            return most if apart > 0 else -most
        root = max(variance, _ONE)
        for _ in range(60):
            root = np.float32(0.5) * (root + variance / root)
        return apart / root

    def _judge(self, distance: np.float32) -> Verdict:
        self._same = self._same + 1 if distance == self._last else 1
        self._last = distance
        if self.stuck and self._same >= self.stuck:
            return Verdict.STUCK
        above = self._deviations(distance)
        self._sum = max(self._sum + (above - np.float32(self.slack)), np.float32(0))
        if self._sum >= np.float32(self.limit):
            self._sum = np.float32(0)
            return Verdict.LEARN
        return Verdict.ASK if above >= np.float32(self.strange) else Verdict.USUAL


def _take(mean: Any, squares: Any, number: Any, n: int) -> tuple[Any, Any]:
    """Welford's update (1962) of a mean and of a sum of squared deviations."""
    apart = number - mean
    mean = mean + apart / np.float32(n)
    return mean, squares + apart * (number - mean)


def _sum(terms: np.ndarray) -> np.float32:
    """One after the other, as C adds them."""
    return np.cumsum(terms, dtype=np.float32)[-1]
