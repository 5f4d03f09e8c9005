"""Learning from five examples of a class: python benchmarks/fewshot_accuracy.py --data FOLDER

Episodes of classes that the network has never seen.  All methods begin with the same prototypes;
then each trains what it trains, with batch 1, on the same examples in the same order.  The rate of
each is the best on episodes of other classes.  A method that has been measured is not measured
again (build/fewshot.measured.jsonl).  Writes build/bench-fewshot.json.  docs/few-shot.md says what
is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from fewshot.study import METHODS, Size, measure, measured
from fewshot.table import means, table
from fewshot.tasks import TASKS


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    args.build.mkdir(parents=True, exist_ok=True)
    file = args.build / "fewshot.measured.jsonl"
    if not args.show:
        for name in args.tasks:
            task = TASKS[name](args.data, args.build)
            measure(task, Size(args.validated, args.episodes), file, args.methods)
    found = measured(file)
    rows = [row for own in found for row in own]
    (args.build / "bench-fewshot.json").write_text(json.dumps(rows, indent=1))
    for own in found:
        print(table(own), end="\n\n")
    print(f"means over networks\n{means(found)}\n\nmeans over tasks\n{means(found, by_task=True)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where to write")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--episodes", type=int, default=200, help="that test")
    parser.add_argument("--show", action="store_true", help="what was measured; measure nothing")
    parser.add_argument("--validated", type=int, default=20, help="that choose the rates")
    args = parser.parse_args()
    if not (args.data / "omniglot_105_bits.npz").is_file():
        sys.exit(f"{args.data}: omniglot_105_bits.npz not found; the benchmark needs the data "
                 "folder: make bench-fewshot DATA=FOLDER")  # fmt: skip
    return args


if __name__ == "__main__":
    main()
