"""The newest samples of a microphone, as trainlet_listen.c keeps them: the same windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainlet.errors import DataError
from trainlet.ir.arguments import whole


@dataclass
class Listen:
    """Takes samples in whatever numbers they arrive, and says when a new window is there.

    size: samples of a window; hop: samples from one window to the next
    """

    size: int
    hop: int

    def __post_init__(self) -> None:
        whole("size", self.size, 1)
        whole("hop", self.hop, 1)
        self.reset()

    def reset(self) -> None:
        """What was heard counts no more: after a pause of the microphone."""
        self._heard = np.zeros(0, np.int16)
        self._new = 0

    def feed(self, samples: ArrayLike) -> None:
        """Take int16 samples [n]; raises DataError for others."""
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype != np.int16:
            raise DataError(f"the samples are {given.dtype} of shape {given.shape}; allowed: int16 "
                            "of shape [n]")  # fmt: skip
        self._heard = np.concatenate([self._heard, given])[-self.size :]
        self._new += len(given)

    @property
    def ready(self) -> bool:
        """Whether a window is there that is `hop` samples or more newer than the last one that was
        read."""
        return len(self._heard) == self.size and self._new >= self.hop

    def window(self) -> np.ndarray:
        """The newest samples, int16 [1, size], the oldest first.  Raises DataError before there
        are so many."""
        if len(self._heard) < self.size:
            raise DataError(f"{len(self._heard)} samples were heard; a window needs {self.size}")
        self._new = 0
        return self._heard[None].copy()
