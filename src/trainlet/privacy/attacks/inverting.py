"""Inverting Gradients (Geiping et al., 2020): the angle between gradients, and total variation.

Adam follows the sign of the derivative inside the bounds of the data.  The angle does not depend on
the size of the gradient, so clipping changes nothing, and neither do signs whose magnitude was not
sent.  The adaptive version compares only the coordinates that were sent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.privacy.attacks.search_space import axes_of
from trainlet.progress import stage

NAME = "inverting"
RATE = 0.1
"""The first learning rate, as a share of the inputs' range; a tenth of it at each of DROPS."""
DROPS = (3 / 8, 5 / 8, 7 / 8)
VARIATION = 0.01
"""The weight of the total variation, of inputs scaled to 0..1."""
LOOK = 20


def inverting(problem: Problem, seed: int, iterations: int = 600) -> Recovered | None:
    """One restart; it ends early where the objective is no longer finite.  None without labels,
    and where inputs are indices."""
    labels = problem.labels
    if labels is None or problem.victim.indices:
        return None
    rng = torch.Generator().manual_seed(seed)
    span = problem.high - problem.low
    space = problem.space
    x = space.input(space.start(rng)).clamp(problem.low, problem.high)
    x = x.detach().requires_grad_()
    search = torch.optim.Adam([x], RATE * span)
    drops = [int(part * iterations) for part in DROPS]
    schedule = torch.optim.lr_scheduler.MultiStepLR(search, drops, 0.1)
    best, lowest = x.detach().clone(), float("inf")
    for done in range(iterations):
        if done % LOOK == 0:
            stage(NAME, done, iterations)
        search.zero_grad()
        value = problem.cosine(x, labels) + VARIATION * variation(x / span)
        if not bool(torch.isfinite(value)):
            break
        if float(value) < lowest:
            best, lowest = x.detach().clone(), float(value)
        value.backward()
        assert x.grad is not None
        x.grad.sign_()
        search.step()
        schedule.step()
        with torch.no_grad():
            x.clamp_(problem.low, problem.high)
    return Recovered(best.numpy(), labels.numpy(), lowest, NAME)


def variation(x: Tensor) -> Tensor:
    """The mean absolute difference of neighbours, over the axes of space or time."""
    found = [x.diff(dim=axis).abs().mean() for axis in axes_of(x.shape) if x.shape[axis] > 1]
    return torch.stack(found).sum() if found else torch.zeros(())
