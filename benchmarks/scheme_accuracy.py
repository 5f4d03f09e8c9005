"""Accuracy against true RAM of update schemes: python benchmarks/scheme_accuracy.py --data FOLDER

The gains are measured on validation people (patients, alphabets, microphones), who also choose the
scheme and every learning rate; others test it.  Writes build/bench-schemes.json, with a picture of
each task beside it, and keeps every row there as soon as it is made: after an interruption the same
command continues.  docs/schemes.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from schemes.study import compare
from schemes.table import draw, table
from schemes.tasks import TASKS

import trainlet as tl
from trainlet.schemes.criteria import CRITERIA

PRECISIONS = {"float32": None, "int8": tl.Int8()}
Result = dict[str, Any]


def main() -> None:
    """Measure the tasks, print their tables, write the file and the pictures."""
    args = _arguments()
    args.build.mkdir(parents=True, exist_ok=True)
    path = args.build / "bench-schemes.json"
    for result in _results(args):
        every = json.loads(path.read_text())["results"] if path.is_file() else []
        name, precision = result["task"], result["precision"]
        every = [r for r in every if (r["task"], r["precision"]) != (name, precision)] + [result]
        rows = [row for one in every for row in one["rows"]]
        path.write_text(json.dumps({"rows": rows, "results": every}, indent=1))
        print(table(result), end="\n\n", flush=True)
        of_task = sorted((r for r in every if r["task"] == name), key=lambda r: r["precision"])
        draw(of_task, args.build / f"bench-schemes-{name}.svg")


def _results(args: argparse.Namespace) -> Iterator[Result]:
    """One a task and precision, in any order.  The precisions of a task may share measured gains,
    so one process measures them."""
    if args.jobs == 1:
        for name in args.tasks:
            yield from _measure(name, args)
        return
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_measured, name, args) for name in args.tasks]):
            yield from done.result()


def _measured(name: str, args: argparse.Namespace) -> list[Result]:
    return list(_measure(name, args))


def _measure(name: str, args: argparse.Namespace) -> Iterator[Result]:
    torch.set_num_threads(1)
    setting = TASKS[name](args.data)
    for precision in args.precisions or setting.precisions:
        yield compare(setting, PRECISIONS[precision], args.build, args.criteria, args.methods)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where to write")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, help="default: both")
    parser.add_argument("--criteria", nargs="*", choices=CRITERIA, default=[], help="also search "
                        "with these, which need no training")  # fmt: skip
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="only these and full: "
                        "last, bias, norm, sparse1, searched, LoRA, TinyTL-L, ...")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="tasks at once")
    args = parser.parse_args()
    if not (args.data / "har_phone_watch_windows.npz").is_file():
        sys.exit(f"{args.data}: har_phone_watch_windows.npz not found; the benchmark needs the "
                 "data folder: make bench-schemes DATA=FOLDER")  # fmt: skip
    return args


if __name__ == "__main__":
    main()
