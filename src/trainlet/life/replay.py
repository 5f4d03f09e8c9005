"""The store of old examples, as trainlet_replay.c keeps it: the same draws, the same examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.arguments import whole

MOST_SEEN = 2**31 - 1


@dataclass
class Replay:
    """Keeps some of the examples seen, about as many of each class.

    Class-balancing reservoir sampling (Chrysakis and Moens, ICML 2020, algorithm 1).  While there
    is room, every example is kept.  Then one of a class that was never the largest takes the place
    of one of the largest class; one of another class takes the place of one of its own class, with
    the probability kept / seen.

    capacity: the most examples; classes: labels are 0..classes-1; seed: of the draws, not 0
    """

    capacity: int
    classes: int
    seed: int = 1
    items: list[Any] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        whole("capacity", self.capacity, 1)
        whole("classes", self.classes, 1)
        self._random = whole("seed", self.seed, 1, 2**32 - 1)
        self._seen, self._full = np.zeros(self.classes, np.int64), np.zeros(self.classes, bool)

    def add(self, item: Any, label: int) -> bool:
        """Whether the example is kept.  Raises DataError for a label out of range."""
        if not 0 <= label < self.classes:
            raise DataError(f"label {label} is out of range; allowed: 0 to {self.classes - 1}")
        self._seen[label] = min(self._seen[label] + 1, MOST_SEEN)
        if len(self.items) < self.capacity:
            self.items.append(item)
            self.labels.append(label)
            return True
        kept = np.bincount(self.labels, minlength=self.classes)
        most = int(kept.argmax())
        self._full[most] = True
        if self._full[label]:
            drawn = self._below(int(self._seen[label]))
            if drawn >= kept[label]:
                return False
            at = self._place(label, drawn)
        else:
            at = self._place(most, self._below(int(kept[most])))
        self.items[at], self.labels[at] = item, label
        return True

    def draw(self) -> tuple[Any, int]:
        """One of the kept examples and its label, each as likely as any other.

        Raises DataError while there is none.
        """
        if not self.items:
            raise DataError("no example is kept yet; add one first")
        at = self._below(len(self.items))
        return self.items[at], self.labels[at]

    def _place(self, label: int, number: int) -> int:
        return int(np.flatnonzero(np.array(self.labels) == label)[number])

    def _below(self, n: int) -> int:
        r = self._random
        r ^= r << 13 & 0xFFFFFFFF
        r ^= r >> 17
        r ^= r << 5 & 0xFFFFFFFF
        self._random = r
        return r * n >> 32
