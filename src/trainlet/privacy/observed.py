"""What an attacker sees of a round, and how far a guess is from it.

An adaptive attacker knows the share.  For it each coordinate of the gradient lies between two
bounds.  A value that was sent has two equal bounds; as float16 they are half a step from it, as a
sign they are zero and infinity.  A coordinate that was dropped for its small magnitude lies between
minus and plus the smallest magnitude that was sent.  Noise and int8 make errors, whose standard
deviation the attacker knows.

A device with a memory encodes more than this round's gradient (`trainlet.privacy.feedback`): the
bounds are those of what it encoded.

A naive attacker takes every message for a whole gradient: what was not sent counts as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainlet.privacy.defences import Clip, Noise, Private, rms
from trainlet.privacy.message import Message, Part
from trainlet.privacy.share import Share

Tensors = Mapping[str, Tensor]
EXACT = 1e-3
"""The standard deviation that is assumed of exact values, as a share of their RMS."""


@dataclass(frozen=True)
class Round:
    """One message, made with these parameters.

    low, high: bounds of each coordinate, {parameter: float32 in its shape}
    sent:      bool, which coordinates have a value
    message:   what the receiver reads, zero where nothing was sent
    std:       of the errors of each parameter's values; empty for a naive attacker
    clip:      the largest L2 norm of the whole gradient before all else; None where there is none
    start:     the parameters of this round, None for those that were compiled
    """

    low: Tensors
    high: Tensors
    sent: Tensors
    message: Tensors
    std: Mapping[str, float] = field(default_factory=dict)
    clip: float | None = None
    start: Tensors | None = None

    @cached_property
    def values(self) -> dict[str, Tensor]:
        """The middle of the bounds where a value was sent, zero elsewhere; of a sign, 1 or -1."""
        found = {}
        for name, sent in self.sent.items():
            low, high = self.low[name], self.high[name]
            middle = torch.where(low == -torch.inf, -1.0, torch.where(high == torch.inf, 1.0,
                                 (low + high) / 2))  # fmt: skip
            found[name] = torch.where(sent, middle, 0.0)
        return found

    @cached_property
    def norm2(self) -> float:
        """The squared L2 norm of the values."""
        return float(sum(v.square().sum() for v in self.values.values()))

    def distance(self, encoded: Tensors) -> Tensor:
        """The squared distance from the bounds, relative to the values' squared norm, of what a
        guess's device would have encoded."""
        total = torch.zeros(())
        for name, g in encoded.items():
            outside = g - g.clamp(self.low[name], self.high[name])
            total = total + outside.square().sum()
        return total / (self.norm2 + 1e-30)

    def surprise(self, encoded: Tensors) -> Tensor:
        """The negative logarithm of the likelihood of the errors, up to a constant."""
        total = torch.zeros(())
        for name, g in encoded.items():
            outside = g - g.clamp(self.low[name], self.high[name])
            total = total + (outside / self.std[name]).square().sum() / 2
        return total

    def cosine(self, encoded: Tensors) -> Tensor:
        """1 - the cosine between a guess and the values, over the coordinates that were sent."""
        dot, own, theirs = torch.zeros(()), torch.zeros(()), torch.zeros(())
        for name, value in self.values.items():
            g = encoded[name] * self.sent[name]
            dot, own = dot + (g * value).sum(), own + g.square().sum()
            theirs = theirs + value.square().sum()
        return 1 - dot / (own * theirs + 1e-30).sqrt()


def observe(
    message: Message, share: Share, adaptive: bool = True, start: Tensors | None = None
) -> Round:
    """What an attacker knows of a message.

    adaptive: the attacker knows the share; else it takes zeros for values
    """
    low, high, sent, std = {}, {}, {}, {}
    read = {name: _tensor(value) for name, value in message.dense().items()}
    noise = [_std(step, message) for step in share.steps if isinstance(step, (Noise, Private))]
    spread = float(np.linalg.norm(noise))
    for name, part in message.parts.items():
        if adaptive:
            below, above = _bounds(part, bool(noise))
            sent[name] = torch.from_numpy(part.sent())
            std[name] = spread + (part.scale / 12**0.5 if part.coding == "int8" else 0.0)
        else:
            below = above = part.dense()
            sent[name] = torch.ones(part.shape, dtype=torch.bool)
        low[name], high[name] = _tensor(below), _tensor(above)
    clips = [step.norm for step in share.steps[:1] if isinstance(step, Clip)]
    clip = clips[0] if adaptive and clips else None
    least = EXACT * rms(message)
    std = {name: max(s, least) for name, s in std.items()}
    return Round(low, high, sent, read, std, clip, start)


def _std(step: Noise | Private, message: Message) -> float:
    """The standard deviation of the noise in a message."""
    if isinstance(step, Private):
        return step.multiplier * step.norm
    return step.share * rms(message) / (1 + step.share**2) ** 0.5  # the RMS includes the noise


def _bounds(part: Part, noisy: bool) -> tuple[NDArray, NDArray]:
    size = np.abs(part.values)
    most = float("inf") if noisy else float(size.min(initial=np.inf))
    low, high = np.full(part.size, -most), np.full(part.size, most)
    own = slice(None) if part.indices is None else part.indices
    if part.coding == "sign":
        low[own] = np.where(part.values < 0, -np.inf, 0.0)
        high[own] = np.where(part.values < 0, 0.0, np.inf)
    else:
        reach = size * 2.0**-11 + 2.0**-25 if part.coding == "float16" else 0.0
        low[own], high[own] = part.values - reach, part.values + reach
    return low.reshape(part.shape), high.reshape(part.shape)


def _tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))
