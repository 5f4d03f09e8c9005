"""Criteria that need no training against measured gains, at equal planned RAM.

    python benchmarks/scheme_criteria.py --data FOLDER [--tasks activity] [--precisions float32]

Within each budget a search chooses a scheme by measured gains, by Fisher information, by the norm
of the weights and by the topology of the activations; TraDy trains a share of the weights of the
largest Fisher information, of channels that are drawn anew in each epoch, in the simulation alone
and in float32.  Its RAM holds these weights as a whole.
Rates are chosen on the validation part, accuracies are those of the test part.  Writes
build/scheme-criteria.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from schemes.study import ROOMY, Comparison, by_subject
from schemes.tasks import TASKS
from schemes.tuning import tuned

import trainlet as tl
from trainlet.schemes.contribution import Contribution
from trainlet.schemes.criteria import CRITERIA, fisher
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import measure
from trainlet.schemes.redraw import even, measure_redrawn

PRECISIONS = {"float32": None, "int8": tl.Int8(extra_bits=8)}
SMALLER, CONFIRMED, DRAWS = (4.5, 3), 4, 3
"""Parts of the RAM of full training; measured schemes of a search; draws of random channels."""


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    args.build.mkdir(exist_ok=True)
    rows = []
    print("| task | budget | chosen by | RAM | rate | accuracy, spread | to measured |")
    for task in args.tasks:
        for precision in args.precisions:
            for row in compared(task, precision, args):
                rows.append(row)
                print(line(row), flush=True)
                (args.build / "scheme-criteria.json").write_text(json.dumps(rows, indent=1))


def compared(task: str, precision: str, args: argparse.Namespace) -> Iterator[dict]:
    """A row for each budget and criterion."""
    setting = TASKS[task](args.data)
    comparison = Comparison(setting, PRECISIONS[precision])
    file = args.build / f"bench-schemes-{task}-{precision}.measured.jsonl"
    found = comparison.contribution(file).measure()
    many = len(found.layers.body)
    whole = Choice.of(many, [(k, 1.0) for k, b in enumerate(found.layers.body) if b.shares])
    size = found.cost(ROOMY).planned
    gains = {"measured gains": None, **{name: rule(found) for name, rule in CRITERIA.items()}}
    for within in SMALLER:
        ram, first = int(size(whole)[0] / within), None
        for name, own in gains.items():
            confirm = CONFIRMED if own is None else 1
            best = tl.schemes.search(found, target=ROOMY, ram=ram, gains=own, confirm=confirm)
            row = tested(comparison, found, best.choice)
            first = first or row
            yield labelled(row, first, task, precision, within, name)
        assert first is not None
        if precision == "int8":
            continue
        fits = (c for c in even(found.layers, fisher(found)) if size(c)[0] + rest(found, c) <= ram)
        drawn = next(fits, None)
        if drawn is None:
            continue
        row = tested(comparison, found, drawn, redrawn=True)
        yield labelled(row, first, task, precision, within, "TraDy, channels drawn anew")
        still = tested(comparison, found, drawn)
        yield labelled(still, first, task, precision, within, "the same, leading channels")


def rest(found: Contribution, choice: Choice) -> int:
    """Bytes of the channels that a scheme leaves in Flash, and that TraDy needs in RAM."""
    whole = Choice.of(choice.biases, [(k, 1.0) for k, _ in choice.shares])
    own, every = (
        sum(n.type.nbytes for n in found.cost(ROOMY).program(c).params) for c in (choice, whole)
    )
    return every - own


def tested(
    comparison: Comparison, found: Contribution, choice: Choice, redrawn: bool = False
) -> dict:
    """The accuracy of each test subject, at the rate that validation chose; of random channels the
    mean over the draws, at the rate of leading ones."""
    study, setting = found.measurements.study, comparison.setting
    scheme, parts = choice.scheme(found.layers), setting.task.epochs
    best = tuned(study, scheme, setting.first)
    own = replace(comparison.tested, rates=(best.rate,))
    if redrawn:
        draws = [measure_redrawn(own, found.layers, choice, parts, seed) for seed in range(DRAWS)]
        reached = np.mean(draws, axis=0)[0]
    else:
        reached = measure(own, scheme)[0]
    ram = found.cost(ROOMY).planned(choice)[0] + (rest(found, choice) if redrawn else 0)
    return {
        "ram": ram, "rate": best.rate, "at_edge": best.at_edge,
        "biases": choice.biases, "shares": choice.shares, "validation": best.accuracy,
        "subjects": by_subject(reached, setting.tested).tolist(),
    }  # fmt: skip


def labelled(row: dict, first: dict, task: str, precision: str, within: float, name: str) -> dict:
    """The row, with its difference to the scheme of measured gains and its standard error."""
    apart = np.array(row["subjects"]) - np.array(first["subjects"])
    return {
        "task": f"{task}, {precision}", "budget": f"full / {within:g}", "criterion": name, **row,
        "difference": float(apart.mean()),
        "error": float(apart.std(ddof=1) / np.sqrt(len(apart))),
    }  # fmt: skip


def line(row: dict) -> str:
    """A row of the table, in percent and points."""
    own = 100 * np.array(row["subjects"])
    return (
        f"| {row['task']} | {row['budget']} | {row['criterion']} | {row['ram']:,} | "
        f"{row['rate']:g} | {own.mean():.1f}, {own.std():.1f} | "
        f"{100 * row['difference']:+.1f} ({100 * row['error']:.1f}) |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["activity"])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["float32"])
    parser.add_argument("--build", type=Path, default=Path("build"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
