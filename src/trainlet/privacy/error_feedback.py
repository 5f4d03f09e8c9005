"""What a device remembers between rounds: Deep Gradient Compression (Lin et al., ICLR 2018).

A device sends few coordinates of its gradient.  The others are added up, with momentum, until they
are large enough to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainlet.errors import DataError
from trainlet.privacy.defences import Clip, keep
from trainlet.privacy.message import Message, Part

WARM_UP = (0.25, 0.0625, 0.015625, 0.004, 0.001)
"""The shares that the paper sends in the first epochs."""


@dataclass
class ErrorFeedback:
    """The memory of one device: velocity u and unsent sum v of each parameter.

    In every round, for the gradient g: u = momentum * u + g, v = v + u.  The coordinates with the
    largest |v| are sent.  There v and u become zero: v because it was sent, u because its momentum
    points from an old gradient (momentum factor masking).

    momentum: replaces that of the optimiser; 0 is plain error feedback
    nesterov: u = momentum * (u + g), v = v + u + g
    clip:     limits the L2 norm of each gradient before it is added; None does not
    devices:  the limit is clip / sqrt(devices), as many gradients are summed
    warm_up:  the shares of the first rounds, each at least that of the step; then the step's
    """

    momentum: float = 0.0
    nesterov: bool = False
    clip: float | None = None
    devices: int = 1
    warm_up: Sequence[float] = ()
    round: int = 0
    velocity: dict[str, NDArray] = field(default_factory=dict)
    unsent: dict[str, NDArray] = field(default_factory=dict)

    @property
    def limit(self) -> float | None:
        """The largest L2 norm of this device's gradients; None where there is none."""
        return None if self.clip is None else self.clip / self.devices**0.5

    def added(self, velocity: Any, unsent: Any, gradient: Any) -> tuple[Any, Any]:
        """u and v after another gradient; arrays of NumPy, or tensors."""
        if self.nesterov:
            velocity = self.momentum * (velocity + gradient)
            return velocity, unsent + velocity + gradient
        velocity = self.momentum * velocity + gradient
        return velocity, unsent + velocity

    def select(self, message: Message, share: float) -> Message:
        """The message of this round, with `share` of the coordinates of each parameter; the memory
        changes.

        Raises DataError where the message is not of whole parameters, or of other shapes than
        those before.
        """
        if self.limit is not None:
            message = Clip(self.limit)(message, np.random.default_rng(0))
        if self.round < len(self.warm_up):
            share = max(share, self.warm_up[self.round])
        parts = {name: self._select(name, p, share) for name, p in message.parts.items()}
        self.round += 1
        return Message(parts)

    def _select(self, name: str, part: Part, share: float) -> Part:
        zero = np.zeros(part.size, np.float32)
        velocity, unsent = self.velocity.get(name, zero), self.unsent.get(name, zero)
        if part.indices is not None or len(velocity) != part.size:
            found = f"{len(part.values)} coordinates of shape {part.shape}"
            raise DataError(
                f"{name!r}: {found} cannot be added to a memory of {len(velocity)}; allowed: whole "
                "gradients of one shape, so put topk before prune and keep one memory a device"
            )
        velocity, unsent = self.added(velocity, unsent, part.values)
        chosen = keep(
            replace(part, values=unsent, coding="float32"), int(np.ceil(share * part.size))
        )
        left = np.ones(part.size, np.float32)
        left[chosen.indices] = 0
        self.velocity[name], self.unsent[name] = velocity * left, unsent * left
        return chosen
