"""The study: the rate from the validation part, then the runs on the test part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.run.dataset import Dataset

from .front import Front, check, quantised, without_front
from .learning import Run, learner
from .methods import Method
from .task import Episode, Task

ROOM = replace(tl.Target.preset("cortex-m7"), name="host", ram=1 << 26, flash=1 << 26)
"""Accuracy is asked here, not memory: every method runs, whatever it needs."""


def compiled(task: Task, method: Method, front: Front) -> CompiledProgram:
    """The trainer of a method, for what the front makes of the inputs."""
    head = [name for name in task.scheme][-2:]
    scheme = {name: task.scheme[name] for name in head} if method.head_only else task.scheme
    optimizer = method.optimizer()
    precision = method.precision
    if precision is None:
        example = torch.zeros(front.shape)
        return tl.compile(front.rest, example, scheme, target=ROOM, optimizer=optimizer)
    graph = quantised(task, float_head=precision.float_head)
    if task.frozen:
        check(task, front, precision.float_head)
        graph = without_front(graph, task)
    return tl.compile(graph, None, scheme, target=ROOM, precision=precision, optimizer=optimizer)


def rows(
    task: Task, method: Method, front: Front, runs: int, simulated: bool = False
) -> Iterator[dict]:
    """One row a measurement: part, seed, lr, accuracy; part "before" is without training.

    simulated: many runs at once, in torch; else one after another, by the host's C.
    """
    start = time.monotonic()
    shared = {"task": task.name, "method": method.name}
    fronts: dict[int, tuple[Dataset, Dataset]] = {}

    def behind(data: Dataset) -> Dataset:
        """One object for one test part, so that it is predicted once for all."""
        if id(data) not in fronts:
            fronts[id(data)] = data, front(data)
        return fronts[id(data)][1]

    def measured(part: str, keys: list[tuple[float, int]], epochs: int) -> list[float]:
        """The mean accuracy over the episodes of each (rate, seed), each from the pretrained
        state."""
        seen = {seed: task.episodes(part, seed) for seed in {seed for _, seed in keys}}
        made = {
            seed: [Episode(behind(e.learn), behind(e.test)) for e in every]
            for seed, every in seen.items()
        }
        every = [Run(e, epochs, lr, seed) for lr, seed in keys for e in made[seed]]
        found = iter(accuracies(every))
        return [float(np.mean([next(found) for _ in made[seed]])) for _, seed in keys]

    with learner(compiled(task, method, front), simulated) as accuracies:
        [accuracy] = measured("test", [(0.0, 0)], 0)
        yield {**shared, "part": "before", "seed": 0, "lr": None, "accuracy": accuracy}
        grid = [round(lr * task.rate_factor, 9) for lr in method.rates]
        tried = [(lr, seed) for lr in grid for seed in range(task.validation_runs)]
        found: dict[float, list[float]] = {}
        for (lr, seed), accuracy in zip(
            tried, measured("validation", tried, task.epochs), strict=True
        ):
            found.setdefault(lr, []).append(accuracy)
            row = {"part": "validation", "seed": seed, "lr": lr, "accuracy": accuracy}
            yield {**shared, **row}
        best = max(grid, key=lambda lr: np.mean(found[lr]))
        tested = measured("test", [(best, seed) for seed in range(runs)], task.epochs)
        for seed, accuracy in enumerate(tested):
            seconds = round(time.monotonic() - start, 1)
            row = {"part": "test", "seed": seed, "lr": best, "accuracy": accuracy}
            yield {**shared, **row, "seconds": seconds}
