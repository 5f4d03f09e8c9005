"""Deep Leakage from Gradients (Zhu et al., 2019): L-BFGS on the distance between gradients.

Where the labels are known from iDLG, the inputs alone are searched.  Else the labels are too, as
probabilities.  The adaptive version looks for the most probable input instead: it weighs each
error by its standard deviation and adds the prior of the search space.
"""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.progress import stage

NAME = "dlg"
CHUNK = 20
"""Iterations between two looks at the progress."""
ENOUGH = 1e-9
"""Of the squared norm of the gradient: a smaller distance does not change the input visibly."""


def dlg(problem: Problem, seed: int, iterations: int = 600) -> Recovered | None:
    """One restart from a random input; None where inputs are indices, which have no derivatives.

    It ends early at a distance of ENOUGH, where 60 iterations improve by less than 1 %, and where
    the objective is no longer finite; the best point so far is the result.
    """
    if problem.victim.indices:
        return None
    rng = torch.Generator().manual_seed(seed)
    space, batch, classes = problem.space, problem.victim.shape[0], problem.victim.classes
    z = space.start(rng).requires_grad_()
    words = torch.randn(batch, classes, generator=rng).requires_grad_()
    variables = [z, words] if problem.labels is None else [z]
    search = torch.optim.LBFGS(
        variables, max_iter=CHUNK, max_eval=2 * CHUNK, history_size=50,
        tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective() -> Tensor:
        y = words.softmax(1) if problem.labels is None else problem.labels
        if problem.adaptive:
            return (problem.surprise(space.input(z), y) + z.square().sum() / 2) / z.numel()
        return problem.distance(space.input(z), y)

    def with_slopes() -> Tensor:
        search.zero_grad()
        value = objective()
        value.backward()
        return value

    best, history = (z.detach().clone(), words.detach().clone()), [float(objective().detach())]
    for done in range(0, iterations, CHUNK):
        stage(NAME, done, iterations)
        search.step(with_slopes)
        value = float(objective().detach())
        if isfinite(value) and value < min(history):
            best = z.detach().clone(), words.detach().clone()
        history.append(value)
        stalled = len(history) > 4 and min(history[-3:]) > 0.99 * history[-4]
        if not isfinite(value) or stalled or (value < ENOUGH and not problem.adaptive):
            break
    x = space.input(best[0]).clamp(problem.low, problem.high)
    labels = best[1].argmax(1) if problem.labels is None else problem.labels
    lowest = min(filter(isfinite, history), default=float("inf"))
    return Recovered(x.numpy(), labels.numpy(), lowest, NAME)
