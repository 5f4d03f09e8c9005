"""What an attack is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainlet.privacy.attacks.search_space import SearchSpace
from trainlet.privacy.feedback import Feedback, Followed
from trainlet.privacy.observed import Round, Tensors
from trainlet.privacy.victim import Victim


@dataclass(frozen=True)
class Problem:
    """The network, the messages of one or several rounds about the same examples, and what is
    known of them.

    labels: int64 [batch], or None where the attacker has not found them
    low, high: bounds of an input's elements
    space: the inputs that the attacker expects
    steps, lr: a message is the sum of the gradients of so many local steps of SGD on the same batch
    feedback: the rule of the device's memory, where it has one that the attacker knows
    """

    victim: Victim
    rounds: Sequence[Round]
    low: float = 0.0
    high: float = 1.0
    labels: Tensor | None = None
    steps: int = 1
    lr: float = 0.01
    feedback: Feedback | None = None
    space: SearchSpace = field(kw_only=True)

    def gradients(self, x: Tensor, y: Tensor, one: Round) -> dict[str, Tensor]:
        """What the device would compute of a guess, differentiable."""
        if self.steps == 1:
            return self.victim.gradients(x, y, _leaves(one.start))
        now = dict(_leaves(one.start) or self.victim.start())
        for value in now.values():
            value.requires_grad_()
        total = {name: torch.zeros_like(value) for name, value in now.items()}
        for _ in range(self.steps):
            found = self.victim.gradients(x, y, now)
            now = {name: value - self.lr * found[name] for name, value in now.items()}
            total = {name: value + found[name] for name, value in total.items()}
        return total

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean relative squared distance from what was observed."""
        return self._each(x, y, Round.distance).mean()

    @property
    def adaptive(self) -> bool:
        """Whether the attacker knows the share."""
        return all(one.std for one in self.rounds)

    def surprise(self, x: Tensor, y: Tensor) -> Tensor:
        """The negative logarithm of the likelihood of all errors, up to a constant."""
        return self._each(x, y, Round.surprise).sum()

    def cosine(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean of 1 - cosine."""
        return self._each(x, y, Round.cosine).mean()

    def _each(self, x: Tensor, y: Tensor, misfit: Callable[[Round, Tensors], Tensor]) -> Tensor:
        """[rounds]: how far a guess is from each message."""
        memory = Followed(self.feedback)
        found = [misfit(one, memory.encoded(self.gradients(x, y, one), one)) for one in self.rounds]
        return torch.stack(found)


@dataclass(frozen=True)
class Recovered:
    """The outcome of one restart of an attack.

    x: float32 [batch, ...], or indices, -1 where none was found; labels: int64 [batch]
    objective: what the attack minimised
    ordered: whether the places of indices are known, else they are a set
    """

    x: NDArray
    labels: NDArray
    objective: float
    attack: str
    ordered: bool = True

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.x).all() and np.isfinite(self.objective))


def _leaves(start: object) -> dict[str, Tensor] | None:
    if start is None:
        return None
    assert isinstance(start, dict)
    return {name: value.detach().clone().requires_grad_() for name, value in start.items()}
