"""Recurrent networks learn a new person on a Cortex-M7.

    python benchmarks/recurrent.py --data FOLDER [--int8] [--task gru] [--task lstm]

A GRU knows other people's phones and moves to a new person's watch; an LSTM knows other speakers'
keywords and meets a new speaker.  The accuracies are of the C on this machine; the first person is
learnt on the emulated Cortex-M7 too, with the same result.  RAM, Flash and the instructions of a
training step are of the emulated Cortex-M7.  For each scheme the learning rate is the best of RATES
on the validation people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev

import numpy as np
import torch
from int8.activity import activity
from int8.learning import Run, learner
from int8.speech import speech
from int8.task import Episode, Task, pretrain
from torch import Tensor, nn

import trainlet as tl
from trainlet.demo.speech import bundled, from_npz
from trainlet.run.dataset import Dataset

RATES = (0.003, 0.01, 0.03, 0.1)
SCHEMES = ("last", "bias", "full")
EPOCHS = 25


class Recurrent(nn.Module):
    """A recurrent layer over [N, time, features], and a classifier of the mean of its outputs."""

    def __init__(self, layer: nn.RNNBase, classes: int) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(layer.hidden_size, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0].mean(1))


def gru(data: Path) -> Task:
    """The people, windows and episodes are those of `int8.activity`."""
    task = activity(data)
    file = np.load(data / "har_phone_watch_windows.npz", allow_pickle=False)
    x = (file["window"].astype(np.float32) * file["scale"] / 5).astype(np.float32)
    others = set(np.unique(file["subject"])) - set(_people(file["subject"]))
    rows = np.flatnonzero(np.isin(file["subject"], list(others)) & (file["is_watch"] == 0))
    model = _trained(lambda: nn.GRU(6, 32, batch_first=True), x[rows], file["label"][rows])
    return replace(task, model=model, example=(1, 64, 6), title="GRU, activity, watch")


def lstm(data: Path) -> Task:
    """The speakers, clips and episodes are those of `int8.speech`."""
    task = speech(data)
    clips = from_npz(data / "speech_commands_personal_16k.npz")
    people = np.random.default_rng(0).permutation(clips.speakers).tolist()
    rows = np.flatnonzero(np.isin(clips.speaker, people[14:]))
    synthetic = bundled("train")
    x = np.concatenate([clips.features[rows], synthetic.features])[:, 0]
    y = np.concatenate([clips.label[rows], synthetic.label])
    model = _trained(lambda: nn.LSTM(10, 48, batch_first=True), x, y)
    return replace(task, model=model, example=(1, 49, 10), title="LSTM, keywords, speaker")


def _people(who: np.ndarray) -> list[int]:
    """Those of `int8.activity` whom the pretrained network must not know."""
    return np.random.default_rng(0).permutation(np.unique(who))[:10].tolist()


def _trained(make: Callable[[], nn.RNNBase], x: np.ndarray, y: np.ndarray) -> Recurrent:
    torch.manual_seed(0)
    model = Recurrent(make(), int(y.max()) + 1)
    pretrain(model, np.ascontiguousarray(x), y, EPOCHS, _augment)  # type: ignore[arg-type]
    return model


def _augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved = np.roll(x, int(rng.integers(-5, 6)), axis=1)
    return (moved + rng.normal(0, 0.05 * x.std(), x.shape)).astype(np.float32)


def measure(task: Task, scheme: str, int8: bool) -> str:
    """A row of the table."""
    integers = {"precision": "int8", "calibration": [_sequence(task.calibration)]}
    program = tl.compile(
        task.model, torch.zeros(task.example), scheme, target="cortex-m7", optimizer=tl.SGD(0.01),
        **(integers if int8 else {}),
    )  # fmt: skip
    with learner(program, False) as accuracies:
        first = [_sequences(e, task.example) for e in task.episodes("validation", 0)]
        tried = {r: mean(accuracies([Run(e, task.epochs, r, 0) for e in first])) for r in RATES}
        lr = max(tried, key=tried.__getitem__)
        tests = [_sequences(e, task.example) for e in task.episodes("test", 1)]
        before = accuracies([Run(e, 0, lr, 0) for e in tests])
        runs = [Run(e, task.epochs, lr, 0) for e in tests]
        after = accuracies(runs)
    with learner(program, False, "unicorn") as emulated:
        assert emulated(runs[:1]) == after[:1], "the device learns something else than the host"
    with program.build("unicorn") as device:
        x, y = tests[0].learn.x[:1], tests[0].learn.y[:1]
        device.step(x, y, lr)
        instructions = device.instructions
    report = program.report
    return (
        f"| {task.title} | {scheme} | {lr} | {100 * mean(before):.1f} | {100 * mean(after):.1f} "
        f"+- {100 * pstdev(after):.1f} | {report.ram_bytes:,} | {report.flash_bytes:,} | "
        f"{instructions:,} |"
    )


def _sequences(episode: Episode, example: tuple[int, ...]) -> Episode:
    """The maps of the convolutional networks as [n, time, features]."""

    def moved(data: Dataset) -> Dataset:
        x = _sequence(data.x)
        assert x.shape[1:] == example[1:]
        return Dataset(x, data.y)

    return Episode(moved(episode.learn), moved(episode.test))


def _sequence(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[:, 0] if x.shape[1] == 1 else x[..., 0].transpose(0, 2, 1))


TASKS = {"gru": gru, "lstm": lstm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--int8", action="store_true", help="in int8, not in float32")
    parser.add_argument(
        "--task", choices=TASKS, action="append", help="one of the two; both if not given"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network, task | scheme | rate | before % | after % | RAM | Flash | instructions |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.task or TASKS:
        task = TASKS[name](options.data)
        for scheme in SCHEMES:
            print(measure(task, scheme, options.int8), flush=True)


if __name__ == "__main__":
    main()
