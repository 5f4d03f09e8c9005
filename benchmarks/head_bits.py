"""Accuracy with the head in 16 bits: python benchmarks/head_bits.py --data FOLDER

Each task of int8_accuracy.py at the learning rate chosen there, with the default and with
`head_bits=16`, on the same samples in the same order.  Any other rounding sends a run another way,
so the default with another seed is compared too.  The last columns are of one episode: how far the
head's parameters get within their int16 range.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bias_range import TASKS, first_episode
from int8.front import Front
from int8.learning import Run, learner
from int8.methods import Method
from int8.study import compiled
from int8.task import Episode, Task

import trainlet as tl
from trainlet.ir.types import LARGEST

HEAD, SEED = tl.Int8(head_bits=16), tl.Int8(seed=1)


def accuracies(task: Task, front: Front, precision: tl.Int8, rate: float, runs: int) -> np.ndarray:
    """The mean accuracy over the episodes of each run, in percent."""
    every = [
        [Episode(front(e.learn), front(e.test)) for e in task.episodes("test", seed)]
        for seed in range(runs)
    ]
    asked = [Run(e, task.epochs, rate, seed) for seed, own in enumerate(every) for e in own]
    with learner(compiled(task, Method("", "", precision), front), simulated=True) as found:
        return 100 * np.array(found(asked)).reshape(runs, -1).mean(1)


def row(make: Callable[[Path], Task], rate: float, data: Path, runs: int) -> str:
    """One task, in Markdown."""
    task = make(data)
    front = Front(task, True)
    usual, *others = (accuracies(task, front, how, rate, runs) for how in (tl.Int8(), SEED, HEAD))
    apart = [
        f"{(other - usual).mean():+.2f} ± {(other - usual).std(ddof=1) / runs**0.5:.2f}"
        for other in others
    ]
    one = first_episode(task, front, HEAD, rate)
    head = [n.name for n in one.program.params if n.type.dtype == "int16" and n.type.quant]
    reach = [max(int(np.abs(state[n]).max()) for n in head) for state in (one.before, one.after)]
    shares = (f"{100 * most / LARGEST['int16']:.0f} %" for most in reach)
    return f"| {task.title} | {usual.mean():.1f} | {' | '.join([*apart, *shares])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = {make.__name__: make for make in TASKS}
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--tasks", nargs="+", choices=names, default=list(names))
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | default | another seed | 16 bits | of 32,767 before | after |")
    print("|---|--:|--:|--:|--:|--:|", flush=True)
    for name in asked.tasks:
        print(row(names[name], TASKS[names[name]], asked.data, asked.runs), flush=True)


if __name__ == "__main__":
    main()
