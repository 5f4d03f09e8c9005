"""A device chooses what learns: python benchmarks/fewshot/on_device.py --data FOLDER

A DS-CNN (MLPerf Tiny's keyword spotter, 64 channels) is meta-trained on words of Speech Commands
that are no digits.  In int8, on a Cortex-M7 with 256 KB, it meets 5 digits of one speaker of the
Free Spoken Digit Dataset: it observes and measures 5 recordings of each, selects the layers and
channels that learn within a budget, and trains on the recordings, batch 1.  The rate is chosen by
the support set alone: learn from four recordings of each word, and take the rate of the least loss
of the fifth.  Accuracy on other recordings of the speaker, over several draws, is that of the same
C on this computer; for the first draw an emulated M7 must choose the same channels and have the
same state, bit for bit, and its instructions are counted.
Writes BUILD/fewshot-on-device-CRITERION.json and prints the table of docs/few-shot.md.  An
interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import trainlet as tl
from trainlet.demo.features import mfcc
from trainlet.fewshot import Episodes, meta_train, pretrain
from trainlet.run.choosing import ChoosingTrainer

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WAYS, SHOTS, TESTED = 5, 5, 20
RATES = (0.0, 0.01, 0.03, 0.1, 0.3)
KB = 1024
PRECISION = tl.Int8(float_head=False)
"""The head is the cosine head, which is float32 anyway."""
BUDGETS: tuple[tuple[int, int | None], ...] = ((256, None), (60, None), (256, 1_500_000))
"""KB of RAM, and multiply-accumulates of a backward pass."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A device chooses what learns")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where results go")
    parser.add_argument("--steps", type=int, default=120, help="episodes of meta-training")
    parser.add_argument("--epochs", type=int, default=10, help="of ordinary training")
    parser.add_argument("--draws", type=int, default=8, help="of recordings to learn from")
    parser.add_argument("--passes", type=int, default=5, help="over the recordings")
    parser.add_argument("--criterion", default="fisher", help="of layers and channels")
    parser.add_argument("--on", nargs="+", default=["unicorn", "qemu"], help="emulators")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.build.mkdir(parents=True, exist_ok=True)
    network, scale = meta_trained(*words(asked.data, asked.build), asked)
    shown = words(asked.data, asked.build)[0][::16]
    graph = tl.prepare(
        network, torch.zeros(1, 1, 49, 10), precision=PRECISION,
        calibration=[torch.from_numpy(one[None]) for one in shown],
    )  # fmt: skip
    graph = tl.adapt.cosine_head(graph, WAYS, scale)
    speech = digits(asked.data, asked.build)
    path = asked.build / f"fewshot-on-device-{asked.criterion}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for k, (ram, macs) in enumerate(BUDGETS):
        rows += [{"budget_kb": ram, "budget_macs": macs, "draws": []}] if k == len(rows) else []
        if "instructions" not in rows[k]:
            keep = partial(_write, path, rows)
            measure(rows[k], graph, speech, asked, keep)
    print(table(rows))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def words(folder: Path, build: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, 1, 49, 10] and classes of the recordings that the network is trained on."""
    with np.load(folder / "speech_commands_personal_16k.npz", allow_pickle=False) as file:
        loud, word = file["audio_mulaw"].astype(np.float32) / 127.5 - 1, file["word"]
    names, counts = np.unique(word, return_counts=True)
    known = np.setdiff1d(names[counts >= SHOTS], DIGITS)
    chosen = np.isin(word, known)
    audio = np.sign(loud) * np.expm1(np.abs(loud) * np.log(256.0)) / 255.0
    return features(audio[chosen], build / "words.npy"), np.searchsorted(known, word[chosen])


def digits(folder: Path, build: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, digits and speakers of the recordings that the device meets, from 8 to 16 kHz."""
    with np.load(folder / "fsdd_8k.npz", allow_pickle=False) as file:
        audio, edge = file["audio"].astype(np.float32) / 32768, file["offset"]
        label, speaker = file["label"].astype(int), file["speaker"]
    own = [audio[a:b] for a, b in pairwise(edge)]
    twice = [np.interp(np.arange(2 * len(a)) / 2, np.arange(len(a)), a) for a in own]
    return features(twice, build / "digits.npy"), label, speaker


def features(audio: Iterable[np.ndarray], kept: Path) -> np.ndarray:
    """Cepstral coefficients [n, 1, 49, 10], computed once."""
    if not kept.exists():
        np.save(kept, np.stack([mfcc(one) for one in audio])[:, None].astype(np.float32))
    return np.load(kept)


def ds_cnn(width: int = 64) -> nn.Sequential:
    """The keyword spotter of MLPerf Tiny, without its classifier."""

    def block(*convolution: Any, **options: Any) -> list[nn.Module]:
        layer = nn.Conv2d(*convolution, bias=False, **options)
        return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]

    layers = block(1, width, (10, 4), stride=2, padding=(5, 1))
    for _ in range(4):
        layers += block(width, width, 3, padding=1, groups=width) + block(width, width, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def meta_trained(
    x: np.ndarray, y: np.ndarray, asked: argparse.Namespace
) -> tuple[nn.Module, float]:
    """The network and the scale of its cosines."""
    torch.manual_seed(0)
    network = ds_cnn()
    pretrain(network, x, y, epochs=asked.epochs, checkpoint=asked.build / "words.pretrained")
    scale = meta_train(
        network, x, y, episodes=Episodes((5, 10), 60, queries=5), steps=asked.steps, rate=5e-4,
        checkpoint=asked.build / "words.meta",
    )  # fmt: skip
    return network.eval(), scale


Part = tuple[np.ndarray, np.ndarray]
Speech = tuple[np.ndarray, np.ndarray, np.ndarray]


def draws(speech: Speech, count: int) -> Iterator[tuple[Part, Part]]:
    """Of a speaker, recordings to learn from, in turns of the words, and others to test."""
    x, label, speaker = speech
    names = np.unique(speaker)
    for k in range(count):
        rng = np.random.default_rng([3, k])
        met = rng.permutation(len(DIGITS))[:WAYS]
        mine = speaker == names[k % len(names)]
        own = [rng.permutation(np.flatnonzero(mine & (label == d)))[: SHOTS + TESTED] for d in met]
        support = np.stack([rows[:SHOTS] for rows in own], 1).reshape(-1)
        test = np.concatenate([rows[SHOTS:] for rows in own])
        of = {int(digit): k for k, digit in enumerate(met)}
        first, second = (
            (x[rows], np.array([of[int(d)] for d in label[rows]])) for rows in (support, test)
        )
        yield first, second


def chosen(trainer: ChoosingTrainer, learn: Part) -> None:
    trainer.reset()
    for show in (trainer.observe, trainer.measure):
        for one, label in zip(*learn, strict=True):
            show(one[None], [int(label)])
    trainer.select()


def trained(trainer: ChoosingTrainer, learn: Part, rate: float, passes: int) -> None:
    """The rate falls to 0 along a line."""
    rng, steps = np.random.default_rng(0), passes * len(learn[0])
    order = np.concatenate([rng.permutation(len(learn[0])) for _ in range(passes)])
    for done, k in enumerate(order if rate else ()):
        trainer.step(learn[0][k][None], [int(learn[1][k])], rate * (1 - done / steps))


def accuracy(trainer: ChoosingTrainer, test: Part) -> float:
    """In percent."""
    return 100 * float((logits(trainer, test).argmax(1) == test[1]).mean())


def logits(trainer: ChoosingTrainer, test: Part) -> np.ndarray:
    return np.stack([trainer.predict(one[None])["logits"][0] for one in test[0]])


def best_rate(trainer: ChoosingTrainer, learn: Part, passes: int) -> float:
    """By the fifth recording of each word after learning from four."""
    edge = (SHOTS - 1) * WAYS
    known, held = (learn[0][:edge], learn[1][:edge]), (learn[0][edge:], learn[1][edge:])
    chosen(trainer, known)
    begun, losses = trainer.save(), list[float]()
    for rate in RATES:
        trainer.load(begun)
        trained(trainer, known, rate, passes)
        made = torch.from_numpy(logits(trainer, held))
        losses.append(float(nn.functional.cross_entropy(made, torch.from_numpy(held[1]))))
    return RATES[int(np.argmin(losses))]


def measure(
    row: dict[str, Any], graph: Any, speech: Speech, asked: argparse.Namespace,
    keep: Callable[[], object],
) -> None:  # fmt: skip
    """A row of the table: what one budget gives."""
    program = tl.schemes.choosing(
        graph, ram=row["budget_kb"] * KB, macs=row["budget_macs"], precision=PRECISION,
        target="cortex-m7", criterion=asked.criterion,
    )  # fmt: skip
    with program.build("host") as trainer:
        for k, (learn, test) in enumerate(draws(speech, asked.draws)):
            if k < len(row["draws"]):
                continue
            rate = best_rate(trainer, learn, asked.passes)
            chosen(trainer, learn)
            found = {"rate": rate, "chosen": list(trainer.selected())}
            found["before"] = accuracy(trainer, test)
            trained(trainer, learn, rate, asked.passes)
            found["after"] = accuracy(trainer, test)
            row["draws"].append(found)
            keep()
        learn, _ = next(draws(speech, 1))
        counts = {}
        for device in asked.on:
            counts = emulated(program, trainer, learn, device) | counts
    report = program.report
    row |= {
        "ram_bytes": report.ram_bytes, "flash_bytes": report.flash_bytes,
        "variants": [one.weights for one in report.variants], "instructions": counts,
        "passes": asked.passes, "examples": len(learn[0]),
    }  # fmt: skip
    keep()


def emulated(
    program: tl.schemes.ChoosingProgram, host: ChoosingTrainer, learn: Part, device: str
) -> dict[str, int]:
    """Instructions of each call where the device counts them; it must choose what the host chooses,
    and learn the same."""
    chosen(host, learn)
    counts: dict[str, int] = {}
    with program.build(device) as trainer:
        for name in ("observe", "measure"):
            for one, label in zip(*learn, strict=True):
                getattr(trainer, name)(one[None], [int(label)])
            counts[name] = trainer.instructions or 0
        trainer.select()
        counts["select"] = trainer.instructions or 0
        assert trainer.save() == host.save(), f"{device} chooses otherwise"
        for k in range(2):
            for one in (trainer, host):
                one.step(learn[0][k][None], [int(learn[1][k])], 0.03)
        counts["step"] = trainer.instructions or 0
        assert trainer.save() == host.save(), f"{device} learns otherwise"
        trainer.predict(learn[0][0][None])
        counts["predict"] = trainer.instructions or 0
    return {name: count for name, count in counts.items() if count}


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    titles = (
        "budget", "prototypes alone", "after selection and training", "RAM", "Flash", "variants",
        "measure", "select", "step", "selection / training",
    )  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * 9}"]
    for row in rows:
        values = [[one[k] for one in row["draws"]] for k in ("before", "after")]
        gain = [b - a for a, b in zip(*values, strict=True)]
        n, macs = row["instructions"], row["budget_macs"]
        spent = row["examples"] * n["measure"] + n["select"]
        share = 100 * spent / (row["examples"] * row["passes"] * n["step"])
        cells = [
            f"{row['budget_kb']} KB" + (f", {macs / 1e6:.1f} M MACs" if macs else ""),
            f"{np.mean(values[0]):.1f} +- {interval(values[0]):.1f}",
            f"{np.mean(values[1]):.1f} ({np.mean(gain):+.1f} +- {interval(gain):.1f})",
            *(f"{row[k] / KB:.1f} KB" for k in ("ram_bytes", "flash_bytes")),
            str(len(row["variants"])),
            *(f"{n[k] / 1e6:.2f} M" for k in ("measure", "select", "step")),
            f"{share:.1f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def interval(values: list[float]) -> float:
    """Half of the 95 % confidence interval of the mean."""
    return 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
