"""How far trained biases move, and could: python benchmarks/bias_range.py --data FOLDER

With `bias_bits=16` a bias may move by 32767 of its units, s_x s_w.  The first table says what that
is in steps of the layer's int8 result, in published backbones with their 49 KB schemes; channels
whose weights are all zero are left out.  The second trains one episode of each task of
int8_accuracy.py at the rate chosen there, and says how far the biases moved.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from int8.activity import activity
from int8.front import Front
from int8.images import cifar, signs
from int8.learning import Run
from int8.methods import Method
from int8.omniglot import omniglot
from int8.speech import speech
from int8.study import compiled
from int8.task import Episode, Task

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.compiled import CompiledProgram
from trainlet.ir.graph import Graph
from trainlet.ir.types import LARGEST
from trainlet.ops.quantized.scaling import DEAD

TASKS = {activity: 0.03, omniglot: 0.01, speech: 0.01, cifar: 0.003, signs: 0.003}
"""The learning rates of docs/int8-accuracy.md."""


def steps_of_a_unit(graph: Graph, names: set[str]) -> dict[str, np.ndarray]:
    """For each trained int32 bias, what a unit is in steps of the result, an entry a channel."""
    return {
        n.inputs[2].name: np.array(n.inputs[2].type.quant.scale) / n.type.quant.scale[0]
        for n in graph.nodes()
        if n.type.dtype == "int8" and n.type.quant and len(n.inputs) > 2
        and n.inputs[2].name in names and n.inputs[2].type.quant
    }  # fmt: skip


def ranges(data: Path) -> Iterator[str]:
    """A row a backbone."""
    for network, schemes in SCHEMES.items():
        graph = tl.load(data / "models" / "mcunet_int8" / f"{network}.npz", classes=10)
        units = steps_of_a_unit(graph, set(schemes["49KB"].update_scheme))
        alive = [u[u > DEAD * np.median(u)] for u in units.values()]
        steps = LARGEST["int16"] * np.concatenate(alive)
        cells = (f"{np.quantile(steps, q):.0f}" for q in (0.001, 0.05, 0.5, 0.95))
        yield f"| {network} | {steps.size:,} | {' | '.join(cells)} |"


@dataclass(frozen=True)
class Lesson:
    """What the device keeps before and after one episode, by the names of the leaves."""

    program: CompiledProgram
    steps: int
    before: Mapping[str, np.ndarray]
    after: Mapping[str, np.ndarray]


def first_episode(task: Task, front: Front, precision: tl.Int8, rate: float) -> Lesson:
    """The first episode of the test part, by the host's C."""
    made = compiled(task, Method("", "", precision), front)
    learn = front(task.episodes("test", 0)[0].learn)
    inputs, labels = np.asarray(learn.x), np.asarray(learn.y)
    run = Run(Episode(learn, learn), task.epochs, rate, 0)
    with made.build("host") as trainer:
        before = made.layout.unpack(trainer.save()).arrays
        for k, lr in zip(run.samples(), run.rates().tolist(), strict=True):
            trainer.step(inputs[k : k + 1], labels[k : k + 1], lr)
        after = made.layout.unpack(trainer.save()).arrays
    return Lesson(made, len(run.samples()), before, after)


def moved(data: Path) -> Iterator[str]:
    """A row a task."""
    for make, rate in TASKS.items():
        task = make(data)
        one = first_episode(task, Front(task, True), tl.Int8(bias_bits=32), rate)
        biases = [n.name for n in one.program.params if n.type.dtype == "int32"]
        moves = [np.abs(one.after[n] - one.before[n].astype(np.int64)) for n in biases]
        far = np.concatenate(moves)
        most, share = f"{far.max():,}", f"{100 * far.max() / LARGEST['int16']:.1f} %"
        cells = f"{one.steps:,}", str(far.size), f"{np.median(far):.0f}", most, share
        yield f"| {task.title} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    data = parser.parse_args().data
    torch.set_num_threads(1)
    print("| network | biases | 0.1 % | 5 % | median | 95 % |")
    print("|---|--:|--:|--:|--:|--:|")
    print(*ranges(data), "", sep="\n", flush=True)
    print(
        "| task | steps | biases | median move | largest | of 32,767 |\n|---|--:|--:|--:|--:|--:|"
    )
    for row in moved(data):
        print(row, flush=True)


if __name__ == "__main__":
    main()
