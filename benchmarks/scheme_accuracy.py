"""Accuracy against true RAM of update schemes: python benchmarks/scheme_accuracy.py --data FOLDER

The gains are measured on validation people (patients, alphabets, microphones), who also choose the
scheme and every learning rate; others test it.  Writes build/bench-schemes.json, with a picture of
each task beside it.  docs/schemes.md says what is measured.
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
    for results in _results(args):
        every = json.loads(path.read_text())["results"] if path.is_file() else []
        made = {(r["task"], r["precision"]) for r in results}
        every = [r for r in every if (r["task"], r["precision"]) not in made] + results
        rows = [row for result in every for row in result["rows"]]
        path.write_text(json.dumps({"rows": rows, "results": every}, indent=1))
        print(*map(table, results), sep="\n\n", end="\n\n", flush=True)
        of_task = [r for r in every if r["task"] == results[0]["task"]]
        draw(of_task, args.build / f"bench-schemes-{results[0]['task']}.svg")


def _results(args: argparse.Namespace) -> Iterator[list[Result]]:
    if args.jobs == 1:
        yield from (_measure(name, args) for name in args.tasks)
        return
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_measure, name, args) for name in args.tasks]):
            yield done.result()


def _measure(name: str, args: argparse.Namespace) -> list[Result]:
    """One task in each precision."""
    torch.set_num_threads(1)
    setting = TASKS[name](args.data)
    files = {p: args.build / f"bench-schemes-{name}-{p}.measured.jsonl" for p in args.precisions}
    return [compare(setting, PRECISIONS[p], file, args.criteria) for p, file in files.items()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where to write")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--criteria", nargs="*", choices=CRITERIA, default=[], help="also search "
                        "with these, which need no training")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="tasks at once")
    args = parser.parse_args()
    if not (args.data / "har_phone_watch_windows.npz").is_file():
        sys.exit(f"{args.data}: har_phone_watch_windows.npz not found; the benchmark needs the "
                 "data folder: make bench-schemes DATA=FOLDER")  # fmt: skip
    return args


if __name__ == "__main__":
    main()
