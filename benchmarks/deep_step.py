"""How long it takes to plan a step of thousands of operations.

    python benchmarks/deep_step.py [--blocks 248]

The network is residual, two convolutions a block, and everything learns: 20 operations a block.
Times are seconds of one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import process_time

import trainlet as tl
from trainlet.planning.order.best_order import find_order
from trainlet.planning.place import plan_graph

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from plan.deep import residual, residual_step


def main() -> None:
    """Order, place, and the whole of `plan`, one line each."""
    parser = argparse.ArgumentParser(description="Plan a long step.")
    parser.add_argument("--blocks", type=int, default=248)
    blocks = parser.parse_args().blocks
    step, start = residual_step(blocks), process_time()
    found = find_order(step)
    ordered = process_time()
    plan = plan_graph(step, found.order, (), found.bound)
    placed = process_time()
    graph = residual(blocks)
    training = tl.train(graph, {n.name: 1.0 for n in graph.leaves("param")})
    begun = process_time()
    tl.plan(training, "host")
    ended = process_time()
    print(f"{len(found.order):,} operations, highest moment {found.peak:,} bytes, "
          f"every order needs {found.bound:,}, arena {plan.arena:,} with old values, "
          f"live bytes then {plan.lower_bound:,}")  # fmt: skip
    print(f"order {ordered - start:.2f} s, addresses and check {placed - ordered:.2f} s")
    print(f"trainlet.plan in all {ended - begun:.2f} s")


if __name__ == "__main__":
    main()
