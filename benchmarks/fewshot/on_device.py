"""A device chooses what learns: python benchmarks/fewshot/on_device.py --data FOLDER

A DS-CNN (MLPerf Tiny's keyword spotter, 64 channels) is meta-trained on words of Speech Commands.
In int8, on a Cortex-M7 with 256 KB, it meets 5 other words: it observes and measures 5 recordings
of each, selects the layers and channels that learn within a budget, and trains on the recordings,
batch 1.  The rate is chosen by the support set alone: learn from four recordings of each word, test
on the fifth.  Accuracy on other recordings, over several draws, is that of the same C on this
computer; for the first draw an emulated M7 must choose the same channels and have the same state,
bit for bit, and its instructions are counted.
Writes BUILD/fewshot-on-device.json and prints the table of docs/few-shot.md.  An interrupted run
continues.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import trainlet as tl
from trainlet.demo.features import mfcc
from trainlet.fewshot import Episodes, meta_train, pretrain
from trainlet.run.choosing import ChoosingTrainer

NEW = ("left", "off", "stop", "up", "yes")
SHOTS, TESTED = 5, 40
RATES = (0.0, 0.01, 0.03, 0.1, 0.3)
KB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where results go")
    parser.add_argument("--steps", type=int, default=150, help="episodes of meta-training")
    parser.add_argument("--epochs", type=int, default=12, help="of ordinary training")
    parser.add_argument("--draws", type=int, default=5, help="of recordings to learn from")
    parser.add_argument("--passes", type=int, default=5, help="over the recordings")
    parser.add_argument("--ram", type=int, nargs="+", default=[256, 40], help="budgets in KB")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.build.mkdir(parents=True, exist_ok=True)
    x, word = clips(asked.data, asked.build)
    network, scale = meta_trained(x, word, asked)
    shown = x[~np.isin(word, NEW)][:64]
    graph = tl.prepare(
        network, torch.zeros(1, 1, 49, 10), precision="int8",
        calibration=[torch.from_numpy(shown[k : k + 1]) for k in range(len(shown))],
    )  # fmt: skip
    graph = tl.adapt.cosine_head(graph, len(NEW), scale)
    path = asked.build / "fewshot-on-device.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for ram in asked.ram:
        if any(row["budget_kb"] == ram for row in rows):
            continue
        rows.append(measured(graph, x, word, ram, asked.draws, asked.passes))
        path.write_text(json.dumps(rows, indent=1))
    print(table(rows))


def clips(folder: Path, build: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, 1, 49, 10] and the word of each clip."""
    with np.load(folder / "speech_commands_personal_16k.npz", allow_pickle=False) as file:
        loud, word = file["audio_mulaw"].astype(np.float32) / 127.5 - 1, file["word"]
    kept = build / "speech_features.npy"
    if not kept.exists():
        audio = np.sign(loud) * np.expm1(np.abs(loud) * np.log(256.0)) / 255.0
        np.save(kept, np.stack([mfcc(one) for one in audio])[:, None].astype(np.float32))
    return np.load(kept), word


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
    x: np.ndarray, word: np.ndarray, asked: argparse.Namespace
) -> tuple[nn.Module, float]:
    """The network and the scale of its cosines, trained on words that are not new."""
    names, counts = np.unique(word[~np.isin(word, NEW)], return_counts=True)
    known = names[counts >= 5]
    chosen = np.isin(word, known)
    y = np.searchsorted(known, word[chosen])
    torch.manual_seed(0)
    network = ds_cnn()
    pretrain(
        network, x[chosen], y, epochs=asked.epochs, checkpoint=asked.build / "words.pretrained"
    )
    rule = Episodes((5, 10), 60, queries=5)
    scale = meta_train(
        network, x[chosen], y, episodes=rule, steps=asked.steps, rate=5e-4,
        checkpoint=asked.build / "words.meta",
    )  # fmt: skip
    return network.eval(), scale


Part = tuple[np.ndarray, np.ndarray]


def draws(x: np.ndarray, word: np.ndarray, count: int) -> Iterator[tuple[Part, Part]]:
    """Recordings to learn from, in turns of the words, and others to test."""
    for k in range(count):
        rng = np.random.default_rng([3, k])
        own = [rng.permutation(np.flatnonzero(word == name))[: SHOTS + TESTED] for name in NEW]
        support = np.stack([rows[:SHOTS] for rows in own], 1).reshape(-1)
        test = np.concatenate([rows[SHOTS:] for rows in own])
        of = {name: k for k, name in enumerate(NEW)}
        label = np.array([of.get(name, -1) for name in word])
        yield (x[support], label[support]), (x[test], label[test])


def chosen(trainer: ChoosingTrainer, learn: Part) -> None:
    trainer.reset()
    for show in (trainer.observe, trainer.measure):
        for one, label in zip(*learn, strict=True):
            show(one[None], [int(label)])
    trainer.select()


def trained(trainer: ChoosingTrainer, learn: Part, rate: float, passes: int) -> None:
    order = np.random.default_rng(0)
    for _ in range(passes if rate else 0):
        for k in order.permutation(len(learn[0])):
            trainer.step(learn[0][k][None], [int(learn[1][k])], rate)


def accuracy(trainer: ChoosingTrainer, test: Part) -> float:
    """In percent."""
    found = [trainer.predict(one[None])["logits"].argmax() for one in test[0]]
    return 100 * float((np.array(found) == test[1]).mean())


def best_rate(trainer: ChoosingTrainer, learn: Part, passes: int) -> float:
    """By the fifth recording of each word after learning from four."""
    edge = (SHOTS - 1) * len(NEW)
    known, held = tuple(a[:edge] for a in learn), tuple(a[edge:] for a in learn)
    chosen(trainer, known)
    begun, scores = trainer.save(), list[float]()
    for rate in RATES:
        trainer.load(begun)
        trained(trainer, known, rate, passes)
        scores.append(accuracy(trainer, held))
    return RATES[int(np.argmax(scores))]


def measured(
    graph: Any, x: np.ndarray, word: np.ndarray, ram: int, count: int, passes: int
) -> dict[str, Any]:
    """A row of the table: what one budget gives."""
    program = tl.schemes.choosing(graph, ram=ram * KB, precision="int8", target="cortex-m7")
    before, after, rates, picked = list[float](), list[float](), list[float](), list[str]()
    with program.build("host") as trainer:
        for learn, test in draws(x, word, count):
            rates.append(best_rate(trainer, learn, passes))
            chosen(trainer, learn)
            picked.append(", ".join(trainer.selected()))
            before.append(accuracy(trainer, test))
            trained(trainer, learn, rates[-1], passes)
            after.append(accuracy(trainer, test))
        learn, _ = next(draws(x, word, 1))
        counts = emulated(program, trainer, learn)
    report = program.report
    spent = len(learn[0]) * counts["measure"] + counts["select"]
    training = len(learn[0]) * passes * counts["step"]
    return {
        "budget_kb": ram, "before": before, "after": after, "rates": rates, "chosen": picked,
        "ram_bytes": report.ram_bytes, "flash_bytes": report.flash_bytes,
        "variants": len(report.variants), "passes": passes, "instructions": counts,
        "selection_percent": 100 * spent / training,
        "selection_percent_of_40_passes": 100 * spent / training * passes / 40,
    }  # fmt: skip


def emulated(
    program: tl.schemes.ChoosingProgram, host: ChoosingTrainer, learn: Part
) -> dict[str, int]:
    """Instructions of each call on the M7, which must choose what the host chooses."""
    chosen(host, learn)
    counts: dict[str, int] = {}
    with program.build("unicorn") as trainer:
        for name in ("observe", "measure"):
            for one, label in zip(*learn, strict=True):
                getattr(trainer, name)(one[None], [int(label)])
            counts[name] = trainer.instructions or 0
        trainer.select()
        counts["select"] = trainer.instructions or 0
        assert trainer.save() == host.save(), "the M7 chooses otherwise"
        for k in range(2):
            for one in (trainer, host):
                one.step(learn[0][k][None], [int(learn[1][k])], 0.03)
        counts["step"] = trainer.instructions or 0
        assert trainer.save() == host.save(), "the M7 learns otherwise"
        trainer.predict(learn[0][0][None])
        counts["predict"] = trainer.instructions or 0
    return counts


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    lines = ["| budget | prototypes alone | after selection and training | RAM | Flash | "
             "variants | measure | select | step |", f"|{'---:|' * 9}"]  # fmt: skip
    for row in rows:
        cells = [f"{np.mean(row[k]):.1f} +- {interval(row[k]):.1f}" for k in ("before", "after")]
        n = row["instructions"]
        millions = [f"{n[k] / 1e6:.2f} M" for k in ("measure", "select", "step")]
        kilobytes = [f"{row[k] / KB:.1f} KB" for k in ("ram_bytes", "flash_bytes")]
        cells = [f"{row['budget_kb']} KB", *cells, *kilobytes, str(row["variants"]), *millions]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def interval(values: list[float]) -> float:
    """Half of the 95 % confidence interval of the mean."""
    return 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
