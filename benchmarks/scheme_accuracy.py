"""Accuracy against true RAM of update schemes: python benchmarks/scheme_accuracy.py --data FOLDER

The gains are measured on validation people, who also choose the scheme and every learning rate;
other people test it.  Writes build/bench-schemes-TASK-PRECISION.json and a picture beside it.
docs/schemes.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from int8.activity import activity
from int8.task import Task
from matplotlib.figure import Figure

import trainlet as tl
from trainlet.schemes.additivity import rank_correlation
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.contribution import Contribution
from trainlet.schemes.criteria import CRITERIA
from trainlet.schemes.layers import Choice
from trainlet.schemes.measure import measure
from trainlet.schemes.study import Episode, runs_of

TASKS = {"activity": partial(activity, each=16)}
PRECISIONS = {"float32": None, "int8": tl.Int8()}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS, TESTED, RANDOM, CONFIRMED = 2, 3, 20, 4
SMALLER = (6, 4.5, 3)
"""Searched within the RAM of full training divided by these."""
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=1 << 20, flash=2 << 20)


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    args.build.mkdir(parents=True, exist_ok=True)
    for name in args.tasks:
        task = TASKS[name](args.data)
        for precision in args.precisions:
            path = args.build / f"bench-schemes-{name}-{precision}.json"
            result = study(task, PRECISIONS[precision], path, args)
            path.write_text(json.dumps(result, indent=1))
            print(table(result), path, sep="\n", flush=True)
            draw(result, path.with_suffix(".svg"))


def study(task: Task, precision: tl.Int8 | None, path: Path, args: argparse.Namespace) -> dict:
    """Every scheme of a task: its RAM, its rate, its accuracy for each test person."""
    begun = time.monotonic()
    found = tl.schemes.contribution(
        task.model, _episodes(task, "validation", 1), torch.zeros(task.example),
        precision=precision, calibration=None if precision is None else [task.calibration],
        rates=RATES, epochs=task.epochs, seeds=args.seeds,
        file=path.with_suffix(".measured.jsonl"), jobs=args.jobs,
    )  # fmt: skip
    measured = time.monotonic() - begun
    cost = found.cost(ROOMY)
    found.measurements.make(list(_given(found).values()))
    rows = {name: _row(found, cost, choice) for name, choice in _given(found).items()}
    full = rows["full"]["ram"]
    budgets = {f"full / {n:g}": int(full / n) for n in SMALLER}
    budgets |= {f"the RAM of {name}": rows[name]["ram"] for name in ("bias", "sparse2")}
    gains = {"searched": None, **{name: CRITERIA[name](found) for name in args.criteria}}
    begun = time.monotonic()
    for within, ram in budgets.items():
        for name, own in gains.items():
            many = CONFIRMED if own is None else 1
            if ram < rows["last"]["ram"]:
                continue
            best = tl.schemes.search(found, target=ROOMY, ram=ram, gains=own, confirm=many)
            rows[f"{name}, {within}"] = {**_row(found, cost, best.choice), "budget": ram}
            if own is None:  # without a second look
                best = tl.schemes.search(found, target=ROOMY, ram=ram, confirm=1)
                rows[f"sum of gains, {within}"] = {**_row(found, cost, best.choice), "budget": ram}
    searched = time.monotonic() - begun
    _test(task, found, rows)
    drawn = args.random >= 2
    correlation, points = rank_correlation(found, args.random) if drawn else (None, [])
    return {
        "task": task.name, "precision": path.stem.split("-")[-1], "rows": rows,
        "head_before": _before(task, found), "rank_correlation": correlation, "random": points,
        "seconds_measuring": round(measured, 1), "seconds_searching": round(searched, 1),
        "biases": {k: vars(gain) for k, gain in found.biases.items()},
        "weights": {f"{k} {share:g}": vars(gain) for (k, share), gain in found.weights.items()},
    }  # fmt: skip


def _episodes(task: Task, part: str, seeds: int) -> list[Episode]:
    first = 100 if part == "validation" else 0
    every = [e for seed in range(seeds) for e in task.episodes(part, first + seed)]
    return [Episode(e.learn, e.test) for e in every]


def _given(found: Contribution) -> dict[str, Choice]:
    """Schemes that nobody searched."""
    many = len(found.layers.body)
    last = [(k, 1.0) for k in range(many)]
    return {
        "last": Choice(),
        "bias": Choice(many),
        "sparse1": Choice.of(many, last[-1:]),
        "sparse2": Choice.of(many, last[-2:]),
        "blocks2": Choice.of(2, last[-2:]),
        "full": Choice.of(many, last),
    }


def _row(found: Contribution, cost: CompiledCost, choice: Choice) -> dict:
    found.measurements.make([choice])
    return {
        "scheme": dict(choice.scheme(found.layers).ratios),
        "biases": choice.biases,
        "shares": choice.shares,
        "ram": cost.planned(choice)[0],
        "true": _true(cost, choice),
        "lr": found.rate(choice),
        "validation": found.accuracy(choice).tolist(),
        "by_rate": found.measurements.known[choice].mean(1).tolist(),
    }


def _true(cost: CompiledCost, choice: Choice) -> int:
    """Bytes kept for the backward pass, and of what learns."""
    program = cost.program(choice)
    return program.saved_bytes + sum(n.type.nbytes for n in program.params)


def _test(task: Task, found: Contribution, rows: dict[str, dict]) -> None:
    """Adds the accuracies on other people, with the rate that the validation people chose."""
    x, y, runs = runs_of(_episodes(task, "test", TESTED), 1)
    base = replace(found.measurements.study, x=x, y=y, runs=runs)
    known: dict[Choice, list[float]] = {}
    for row in rows.values():
        choice = Choice.of(row["biases"], row["shares"])
        if choice not in known:
            own = replace(base, rates=(row["lr"],))
            known[choice] = measure(own, choice.scheme(found.layers))[0].tolist()
        row["test"] = known[choice]


def _before(task: Task, found: Contribution) -> list[float]:
    """Of the network as it is."""
    x, y, runs = runs_of(_episodes(task, "test", TESTED), 1)
    own = replace(found.measurements.study, x=x, y=y, runs=runs, rates=(1e-12,), epochs=1)
    return measure(own, Choice().scheme(found.layers))[0].tolist()


def table(result: dict) -> str:
    """Of each scheme RAM, accuracy of other people, difference to full with its standard error."""
    rows, people = result["rows"], len(result["rows"]["full"]["test"]) // TESTED
    lines = [f"{result['task']}, {result['precision']}; none {_percent(result['head_before'])}"]
    lines += ["| scheme | RAM | kept and learnt | lr | validation | test | to full |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|"]
    full = by_person(rows["full"]["test"], people)
    for name, row in sorted(rows.items(), key=lambda item: item[1]["ram"]):
        own = by_person(row["test"], people)
        difference = 100 * (own - full)
        error = difference.std(ddof=1) / np.sqrt(people)
        lines.append(
            f"| {name} | {row['ram']:,} | {row['true']:,} | {row['lr']:g} | "
            f"{_percent(row['validation'])} | {_percent(own)} +- {100 * own.std():.1f} | "
            f"{difference.mean():+.1f} +- {error:.1f} |"
        )
    seconds = f"{result['seconds_measuring']} s to measure, {result['seconds_searching']} to search"
    if many := len(result["random"]):
        seconds += f"; rank correlation of {many} random schemes {result['rank_correlation']:.2f}"
    lines.append(seconds)
    return "\n".join(lines)


def by_person(accuracies: list[float], people: int) -> np.ndarray:
    """The mean of each person's runs."""
    return np.array(accuracies).reshape(TESTED, people).mean(0)


def _percent(values: object) -> str:
    return f"{100 * float(np.mean(values)):.1f}"  # type: ignore[arg-type]


def draw(result: dict, path: Path) -> None:
    """Accuracy against RAM."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    groups: dict[str, list[tuple[float, float]]] = {}
    for name, row in result["rows"].items():
        kind = name.split(",")[0]
        groups.setdefault(kind, []).append((row["ram"] / 1024, 100 * float(np.mean(row["test"]))))
    for kind, points in groups.items():
        x, y = zip(*sorted(points), strict=True)
        axes.plot(x, y, "o-" if len(points) > 1 else "s", label=kind, markersize=4, linewidth=1)
    axes.set_xlabel("RAM of the planned trainer, KB")
    axes.set_ylabel("accuracy of other people, %")
    axes.set_title(f"{result['task']}, {result['precision']}")
    axes.legend(frameon=False, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where to write")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each validation person")
    parser.add_argument("--criteria", nargs="*", choices=CRITERIA, default=list(CRITERIA))
    parser.add_argument("--random", type=int, default=RANDOM, help="schemes; 0: none")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if not (args.data / "har_phone_watch_windows.npz").is_file():
        sys.exit(f"{args.data}: har_phone_watch_windows.npz not found; the benchmark needs the "
                 "data folder: make bench-schemes DATA=FOLDER")  # fmt: skip
    return args


if __name__ == "__main__":
    main()
