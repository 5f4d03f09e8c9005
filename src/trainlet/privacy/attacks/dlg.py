"""Deep Leakage from Gradients (Zhu et al., 2019): L-BFGS on the distance between gradients.

Where the labels are known from iDLG, the inputs alone are searched.  Else the labels are too, as
probabilities.  The adaptive version looks for the most probable input instead: it weighs each
error by its standard deviation and adds the prior of the search space.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.privacy.attacks.search_space import SearchSpace
from trainlet.progress import stage

NAME = "dlg"
CHUNK = 20
"""Iterations between two looks at the progress."""
ENOUGH = 1e-9
"""Of the squared norm of the gradient: a smaller distance does not change the input visibly."""


def dlg(problem: Problem, seed: int, iterations: int = 600) -> Recovered:
    """One restart from a random input.

    It ends early at a distance of ENOUGH, where 60 iterations improve it by less than 1 %, and
    where it is no longer finite; the best point so far is the result.
    """
    rng = torch.Generator().manual_seed(seed)
    space = SearchSpace(problem.victim.shape, problem.low, problem.high)
    z = space.start(rng).requires_grad_()
    words = torch.randn(problem.victim.shape[0], problem.victim.classes, generator=rng)
    words.requires_grad_()
    searched = [z, words] if problem.labels is None else [z]
    search = torch.optim.LBFGS(
        searched, max_iter=CHUNK, max_eval=2 * CHUNK, history_size=50,
        tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def distance() -> Tensor:
        y = words.softmax(1) if problem.labels is None else problem.labels
        if problem.adaptive:  # the most probable input
            return (problem.surprise(space.input(z), y) + z.square().sum() / 2) / z.numel()
        return problem.distance(space.input(z), y)

    def objective() -> Tensor:
        search.zero_grad()
        value = distance()
        value.backward()
        return value

    best, history = (z.detach().clone(), words.detach().clone()), [float(distance())]
    for done in range(0, iterations, CHUNK):
        stage(NAME, done, iterations)
        search.step(objective)
        value = float(distance())
        if value < min(history):
            best = z.detach().clone(), words.detach().clone()
        history.append(value)
        stalled = len(history) > 4 and min(history[-3:]) > 0.99 * history[-4]
        if not value > ENOUGH or not value < float("inf") or stalled:
            break
    x = space.input(best[0]).clamp(problem.low, problem.high)
    labels = best[1].argmax(1) if problem.labels is None else problem.labels
    lowest = min(value for value in history if value == value)
    return Recovered(x.numpy(), labels.numpy(), lowest, NAME)
