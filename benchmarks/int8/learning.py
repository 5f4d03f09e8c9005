"""From a list of runs to their accuracies: by the host's C, one run after another, or by the
simulation, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.run.fit import score
from trainlet.run.trainer import Trainer

from .task import Episode

AT_ONCE = 32
SAMPLES = 16
"""Test samples of each run that the simulation predicts at once."""


@dataclass(frozen=True)
class Run:
    """One adaptation: batch 1, another order in each epoch, the rate falling to zero along a
    line."""

    episode: Episode
    epochs: int
    lr: float
    seed: int

    def samples(self) -> list[int]:
        """The rows of the episode's learning part, step by step."""
        rng, many = np.random.default_rng(self.seed), len(self.episode.learn)
        return [k for _ in range(self.epochs) for k in rng.permutation(many).tolist()]

    def rates(self) -> np.ndarray:
        """Of each step."""
        steps = self.epochs * len(self.episode.learn)
        return self.lr * (1 - np.arange(steps) / max(1, steps))


Accuracies = Callable[[Sequence[Run]], list[float]]


@contextmanager
def learner(
    program: CompiledProgram, simulated: bool, device: str = "host"
) -> Iterator[Accuracies]:
    """What makes accuracies of runs; a run that diverges has 0.  Without simulation they run one
    after another on a device."""
    if simulated:
        yield lambda runs: [
            accuracy
            for at in range(0, len(runs), AT_ONCE)
            for accuracy in _simulated(program, runs[at : at + AT_ONCE])
        ]
        return
    with program.build(device) as trainer:
        yield lambda runs: [_accuracy(trainer, run) for run in runs]


def _accuracy(trainer: Trainer, run: Run) -> float:
    trainer.reset()
    data = run.episode.learn
    try:
        for k, lr in zip(run.samples(), run.rates().tolist(), strict=True):
            trainer.step(data.x[k : k + 1], data.y[k : k + 1], lr)
    except tl.errors.DivergedError:
        return 0.0
    *_, last = score(trainer, run.episode.test)
    assert last.accuracy is not None
    return last.accuracy


def _simulated(program: CompiledProgram, runs: Sequence[Run]) -> Iterator[float]:
    """A run that is shorter than others waits with a rate of 0, which moves nothing."""
    simulation = tl.simulate(program, len(runs))
    orders, rates = [run.samples() for run in runs], [run.rates() for run in runs]
    steps = max(map(len, orders))
    failed: set[int] = set()
    for at in range(steps):
        rows = [order[min(at, len(order) - 1)] for order in orders]
        lr = [own[at] if at < len(own) and k not in failed else 0.0 for k, own in enumerate(rates)]
        x = np.stack([run.episode.learn.x[k : k + 1] for run, k in zip(runs, rows, strict=True)])
        y = np.stack([run.episode.learn.y[k : k + 1] for run, k in zip(runs, rows, strict=True)])
        try:
            simulation.step(x, y, lr)
        except tl.errors.ExperimentsDiverged as error:
            failed |= set(error.experiments)
    for k, right in enumerate(_tested(simulation, runs)):
        yield 0.0 if k in failed else right


def _tested(simulation: tl.Simulation, runs: Sequence[Run]) -> list[float]:
    """The share of each run's test samples that it has right."""
    longest = max(len(run.episode.test) for run in runs)
    right = np.zeros(len(runs))
    for at in range(0, longest, SAMPLES):
        part = [np.arange(at, at + SAMPLES).clip(max=len(run.episode.test) - 1) for run in runs]
        x = np.stack([run.episode.test.x[rows] for run, rows in zip(runs, part, strict=True)])
        shared = all(run.episode.test is runs[0].episode.test for run in runs)
        logits = simulation.predict(x[:1] if shared else x)
        for k, run in enumerate(runs):
            many = max(0, min(SAMPLES, len(run.episode.test) - at))
            right[k] += (logits[k, :many].argmax(1) == run.episode.test.y[at : at + many]).sum()
    return [count / len(run.episode.test) for count, run in zip(right, runs, strict=True)]
