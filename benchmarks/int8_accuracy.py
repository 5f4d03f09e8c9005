"""Accuracy of real int8 training on real data: python benchmarks/int8_accuracy.py --data FOLDER

Writes BUILD/bench-int8.json after every method, the figures of the ratios, and prints the tables.
docs/int8-accuracy.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from int8.activity import activity
from int8.front import Front
from int8.images import cifar, signs
from int8.methods import METHODS
from int8.omniglot import omniglot
from int8.speech import speech
from int8.study import rows

from int8 import figure, table

TASKS = {t.__name__: t for t in (speech, cifar, signs, activity, omniglot)}
NEEDED = (
    "speech_commands_personal_16k.npz",
    "cifar10_jpeg.npz",
    "gtsrb_32.npz",
    "har_phone_watch_windows.npz",
    "omniglot_105_bits.npz",
    "models/mobilenetv1_025_imagenet_float.npz",
)


def main() -> None:
    args = _arguments()
    missing = [name for name in NEEDED if not (args.data / name).is_file()]
    if missing:
        sys.exit(
            f"{args.data}: {', '.join(missing)} not found; the benchmark needs the data folder: "
            "make bench-int8 DATA=FOLDER (docs/int8-accuracy.md lists the files)"
        )
    torch.set_num_threads(1)
    args.build.mkdir(parents=True, exist_ok=True)
    path = args.build / "bench-int8.json"
    result: dict = {"rows": [], "ratios": {}, "seconds": 0.0}
    if args.add and path.is_file():
        result = json.loads(path.read_text())
    for name in args.tasks:
        start = time.monotonic()
        task = TASKS[name](args.data)
        print(f"{task.title}: ready after {time.monotonic() - start:.0f} s", flush=True)
        fronts = {integer: Front(task, integer) for integer in (False, True)}
        for method in args.methods:
            done = {(row["task"], row["method"]) for row in result["rows"]}
            if (task.name, method) in done:
                continue
            front = fronts[METHODS[method].precision is not None]
            measured = list(rows(task, METHODS[method], front, args.runs, args.simulate))
            result["rows"] += measured
            _save(path, result)
            tested = [100 * row["accuracy"] for row in measured if row["part"] == "test"]
            shown = " ".join(f"{a:5.1f}" for a in tested)
            best, seconds = measured[-1]["lr"], measured[-1]["seconds"]
            print(f"  {METHODS[method].title:34} lr {best:<7} {shown}  ({seconds} s)", flush=True)
        if name == "cifar":
            result["ratios"] = figure.ratios(task)
            figure.draw(result["ratios"], "MobileNetV1 x0.25 on CIFAR-10", args.build)
        result["seconds"] += round(time.monotonic() - start, 1)
        _save(path, result)
    show = (table.table, table.rates, table.verdict)
    print("", *(f"{text(result['rows'])}\n" for text in show), sep="\n")
    print(f"{result['seconds'] / 60:.0f} minutes in all; {path}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where to write")
    parser.add_argument("--runs", type=int, default=5, help="seeds of each method")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--simulate", action="store_true", help="many runs at once, in torch")
    parser.add_argument("--add", action="store_true", help="keep the rows that are there")
    return parser.parse_args()


def _save(path: Path, result: dict) -> None:
    path.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
