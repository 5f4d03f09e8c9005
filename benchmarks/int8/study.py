"""The study: the rate from the validation part, then the runs on the test part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

import trainlet as tl
from trainlet.compiler import CompiledProgram
from trainlet.run.dataset import Dataset
from trainlet.run.fit import score
from trainlet.run.trainer import Trainer

from .front import Front, check, quantised, without_front
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


def rows(task: Task, method: Method, front: Front, runs: int) -> Iterator[dict]:
    """One row a measurement: part, seed, lr, accuracy; part "before" is without training."""
    start = time.monotonic()
    shared = {"task": task.name, "method": method.name}

    def episodes(part: str, seed: int) -> list[Episode]:
        return [Episode(front(e.learn), front(e.test)) for e in task.episodes(part, seed)]

    with compiled(task, method, front).build("host") as trainer:
        accuracy = _mean(trainer, episodes("test", 0), 0, 0.0, 0)
        yield {**shared, "part": "before", "seed": 0, "lr": None, "accuracy": accuracy}
        found = {}
        grid = [round(lr * task.rate_factor, 9) for lr in method.rates]
        for lr in grid:
            for seed in range(task.validation_runs):
                accuracy = _mean(trainer, episodes("validation", seed), task.epochs, lr, seed)
                found.setdefault(lr, []).append(accuracy)
                row = {"part": "validation", "seed": seed, "lr": lr, "accuracy": accuracy}
                yield {**shared, **row}
        best = max(grid, key=lambda lr: np.mean(found[lr]))
        for seed in range(runs):
            accuracy = _mean(trainer, episodes("test", seed), task.epochs, best, seed)
            seconds = round(time.monotonic() - start, 1)
            row = {"part": "test", "seed": seed, "lr": best, "accuracy": accuracy}
            yield {**shared, **row, "seconds": seconds}


def _mean(trainer: Trainer, episodes: list[Episode], epochs: int, lr: float, seed: int) -> float:
    """The accuracy over a run's episodes, each from the pretrained state."""
    return float(np.mean([_accuracy(trainer, e, epochs, lr, seed) for e in episodes]))


def _learn(trainer: Trainer, data: Dataset, epochs: int, lr: float, seed: int) -> None:
    """Batch 1, another order in each epoch, the rate falling to zero along a line."""
    rng = np.random.default_rng(seed)
    order = [k for _ in range(epochs) for k in rng.permutation(len(data)).tolist()]
    for at, k in enumerate(order):
        trainer.step(data.x[k : k + 1], data.y[k : k + 1], lr * (1 - at / len(order)))


def _accuracy(trainer: Trainer, episode: Episode, epochs: int, lr: float, seed: int) -> float:
    """0 for a run that diverges."""
    trainer.reset()
    try:
        _learn(trainer, episode.learn, epochs, lr, seed)
    except tl.errors.DivergedError:
        return 0.0
    *_, last = score(trainer, episode.test)
    assert last.accuracy is not None
    return last.accuracy
