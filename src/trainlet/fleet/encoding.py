"""Vectors of changes as bytes, as a share says ("int8", "topk:0.01,int8"): trainlet.privacy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainlet.errors import DataError, StateError
from trainlet.privacy.share import Share, parse_share
from trainlet.privacy.wire import decode, encode


@dataclass(frozen=True)
class Encoding:
    """How a vector of changes becomes bytes.  Any of them can be read: the bytes say their coding.

    sizes: coordinates of each parameter, one after the other in the vector
    """

    share: Share

    @property
    def feeds_back(self) -> bool:
        """Whether what an update leaves out goes into the next one, as the share says."""
        return self.share.feeds_back

    @property
    def of_models(self) -> Encoding:
        """How the server encodes changes of the model: it has nothing to hide."""
        return encoding("int8" if self.share.steps else "none")

    def encode(
        self, vector: np.ndarray, sizes: Sequence[int], rng: np.random.Generator | None = None
    ) -> bytes:
        """The bytes of a float32 vector [sum(sizes)]; rng: of the noise (default: a new one)."""
        parts = np.split(np.asarray(vector, np.float32), np.cumsum(sizes)[:-1])
        named = {str(k): part for k, part in enumerate(parts)}
        return encode(self.share.apply(named, rng or np.random.default_rng()))


def encoding(text: str) -> Encoding:
    """The encoding of a share's text; raises TrainletError."""
    return Encoding(parse_share(text))


def decoded(payload: bytes, sizes: Sequence[int]) -> np.ndarray:
    """The float32 vector [sum(sizes)], zero where nothing was sent; raises StateError for bytes
    that no encoding writes for these sizes, and for NaN and infinity."""
    try:
        message = decode(payload, {str(k): (size,) for k, size in enumerate(sizes)})
    except DataError as error:
        raise StateError(str(error)) from None
    return np.concatenate(list(message.dense().values()))
