"""The steps of a defence: each changes what is sent, the values, the coordinates or the coding.

A step that selects coordinates keeps at least one of each parameter.  Noise is stated relative to
the root mean square of the values that are sent, of all parameters together: the same share hides
as much of a small gradient as of a large one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainlet.privacy.message import Message, Part

Random = np.random.Generator


@dataclass(frozen=True)
class Clip:
    """Scales the whole gradient down to this L2 norm where it is larger."""

    norm: float

    def __call__(self, message: Message, rng: Random) -> Message:
        norm = float(np.sqrt(sum(_squares(p) for p in message.parts.values())))
        factor = np.float32(min(1.0, self.norm / norm) if norm else 1.0)
        return _each(message, lambda p: replace(p, values=p.values * factor, coding="float32"))


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian or Laplace noise; its standard deviation is this share of the values' RMS."""

    share: float
    laplace: bool = False

    def __call__(self, message: Message, rng: Random) -> Message:
        std = self.share * rms(message)

        def noisy(part: Part) -> Part:
            size = len(part.values)
            drawn = rng.laplace(0, std / 2**0.5, size) if self.laplace else rng.normal(0, std, size)
            values = (part.values + drawn).astype(np.float32)
            return replace(part, values=values, coding="float32")

        return _each(message, noisy)


@dataclass(frozen=True)
class Private:
    """The Gaussian mechanism: noise whose standard deviation is `multiplier` times the norm to
    which the step before has clipped the gradient."""

    multiplier: float
    norm: float

    def __call__(self, message: Message, rng: Random) -> Message:
        std = self.multiplier * self.norm

        def noisy(part: Part) -> Part:
            values = part.values + rng.normal(0, std, len(part.values))
            return replace(part, values=values.astype(np.float32), coding="float32")

        return _each(message, noisy)


@dataclass(frozen=True)
class Prune:
    """Drops this share of each parameter's coordinates, those with the smallest magnitude."""

    share: float

    def __call__(self, message: Message, rng: Random) -> Message:
        return _each(message, lambda p: keep(p, len(p.values) - round(self.share * len(p.values))))


@dataclass(frozen=True)
class TopK:
    """Sends this share of each parameter's coordinates, those with the largest magnitude."""

    share: float

    def __call__(self, message: Message, rng: Random) -> Message:
        return _each(message, lambda p: keep(p, int(np.ceil(self.share * len(p.values)))))


@dataclass(frozen=True)
class Float16:
    """Rounds to half precision; what is too large becomes the largest finite number."""

    def __call__(self, message: Message, rng: Random) -> Message:
        return _each(message, half)


@dataclass(frozen=True)
class Int8:
    """Rounds to multiples of a scale, the largest magnitude of each parameter / 127."""

    def __call__(self, message: Message, rng: Random) -> Message:
        return _each(message, whole_numbers)


@dataclass(frozen=True)
class Sign:
    """Sends the sign of each value, and the mean magnitude of each parameter."""

    def __call__(self, message: Message, rng: Random) -> Message:
        return _each(message, signs)


Step = Callable[[Message, Random], Message]


def rms(message: Message) -> float:
    """The root mean square of all values that are sent."""
    count = sum(len(part.values) for part in message.parts.values())
    total = sum(_squares(part) for part in message.parts.values())
    return float(np.sqrt(total / count)) if count else 0.0


def keep(part: Part, count: int) -> Part:
    """The `count` values with the largest magnitude, at least one; of equal ones the first."""
    count = min(max(count, 1), len(part.values))
    order = np.argsort(-np.abs(part.values), kind="stable")[:count]
    chosen = np.sort(order)
    known = np.arange(part.size) if part.indices is None else part.indices
    return replace(part, values=part.values[chosen], indices=known[chosen])


def half(part: Part) -> Part:
    """The values as float16 has them."""
    most = float(np.finfo(np.float16).max)
    values = part.values.clip(-most, most).astype(np.float16).astype(np.float32)
    return replace(part, values=values, coding="float16")


def whole_numbers(part: Part) -> Part:
    """The values as int8 multiples of a float32 scale."""
    scale = np.float32(np.abs(part.values).max(initial=0) / 127)
    steps = np.rint(part.values / scale) if scale else np.zeros_like(part.values)
    values = (steps * scale).astype(np.float32)
    return replace(part, values=values, coding="int8", scale=float(scale))


def signs(part: Part) -> Part:
    """The mean magnitude with the sign of each value; zero counts as positive."""
    mean = np.float32(np.abs(part.values).mean()) if len(part.values) else np.float32(0)
    values = np.where(part.values < 0, -mean, mean)
    return replace(part, values=values, coding="sign", scale=float(mean))


def _each(message: Message, change: Callable[[Part], Part]) -> Message:
    return Message({name: change(part) for name, part in message.parts.items()})


def _squares(part: Part) -> float:
    values: NDArray = part.values.astype(np.float64)
    return float(values @ values)
