"""What a device carries from one message to the next, and how an attacker follows it.

An attacker who knows the rule does not see the memory.  But it sees every message, and the memory
is what a guess's gradients leave over when the messages are taken away.  So each coordinate that is
sent tells the sum of the gradients since it was last sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainlet.errors import TrainletError, shown
from trainlet.privacy.defences import Random, TopK
from trainlet.privacy.error_feedback import ErrorFeedback
from trainlet.privacy.message import Arrays, Message
from trainlet.privacy.observed import Round, Tensors
from trainlet.privacy.share import Share


@dataclass
class Remainder:
    """The memory of a fleet's device: what a message leaves out is added to the next one, rounding
    errors included (`trainlet.fleet.member.work`)."""

    rest: dict[str, NDArray] = field(default_factory=dict)

    def send(self, share: Share, gradients: Arrays, rng: Random) -> Message:
        """The message of this round; the memory changes."""
        wanted = {name: g + self.rest.get(name, np.float32(0)) for name, g in gradients.items()}
        message = share.apply(wanted, rng)
        sent = message.dense()
        self.rest = {name: value - sent[name] for name, value in wanted.items()}
        return message


Feedback = Remainder | ErrorFeedback


def parse_feedback(text: str | ErrorFeedback) -> Callable[[Share], Feedback | None]:
    """Makes the memory of a device that begins: "none", "fleet" or "dgc:0.9", Deep Gradient
    Compression with this momentum.  An `ErrorFeedback` stands for its settings.

    The memory is None for a share with which a device has none: a fleet's where the share adds
    noise or clips, Deep Gradient Compression's where it has no `topk`.
    Raises TrainletError for another text.
    """
    if isinstance(text, ErrorFeedback):
        settings = text
        return lambda share: _compressing(settings, share)
    if text == "none":
        return lambda share: None
    if text == "fleet":
        return lambda share: Remainder() if share.feeds_back else None
    name, _, value = text.partition(":") if isinstance(text, str) else ("", "", "")
    try:
        momentum = float(value)
    except ValueError:
        momentum = float("nan")
    if name != "dgc" or not (isfinite(momentum) and 0 <= momentum < 1):
        raise TrainletError(
            f"feedback is {shown(text)}; allowed: none, fleet, or dgc:MOMENTUM with a momentum "
            "from 0 to below 1, such as dgc:0.9"
        )
    return lambda share: _compressing(ErrorFeedback(momentum), share)


def _compressing(settings: ErrorFeedback, share: Share) -> ErrorFeedback | None:
    if not any(isinstance(step, TopK) for step in share.steps):
        return None
    return replace(settings, round=0, velocity={}, unsent={})


def send(share: Share, gradients: Arrays, rng: Random, memory: Feedback | None) -> Message:
    """The message of a device with this memory, which changes."""
    if isinstance(memory, Remainder):
        return memory.send(share, gradients, rng)
    return share.apply(gradients, rng, memory)


@dataclass
class Followed:
    """A device's memory as an attacker computes it from a guess's gradients and the messages.

    rule: of the device; None where it has no memory, or where the attacker does not know it
    """

    rule: Feedback | None
    velocity: dict[str, Tensor] = field(default_factory=dict)
    unsent: dict[str, Tensor] = field(default_factory=dict)

    def encoded(self, gradients: Tensors, one: Round) -> dict[str, Tensor]:
        """What the device selected coordinates of in this round, if these were its gradients; the
        memory changes.  Rounds come in their order."""
        found = clipped(gradients, one.clip)
        if self.rule is None:
            return found
        if isinstance(self.rule, ErrorFeedback):
            found = clipped(found, self.rule.limit)
        return {name: self._encoded(name, g, one) for name, g in found.items()}

    def _encoded(self, name: str, g: Tensor, one: Round) -> Tensor:
        zero = torch.zeros(())
        velocity, unsent = self.velocity.get(name, zero), self.unsent.get(name, zero)
        if not isinstance(self.rule, ErrorFeedback):
            wanted = unsent + g
            self.unsent[name] = wanted - one.message[name]
            return wanted
        velocity, wanted = self.rule.added(velocity, unsent, g)
        left = ~one.sent[name]
        self.velocity[name], self.unsent[name] = velocity * left, wanted * left
        return wanted


def clipped(gradients: Tensors, limit: float | None) -> dict[str, Tensor]:
    """Scaled down together to this L2 norm where theirs is larger; None does not."""
    if limit is None:
        return dict(gradients)
    norm = torch.sqrt(sum((g.square().sum() for g in gradients.values()), torch.zeros(())))
    factor = (limit / norm).clamp(max=1.0)
    return {name: g * factor for name, g in gradients.items()}
