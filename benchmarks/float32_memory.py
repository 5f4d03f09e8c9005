"""RAM of float32 trainers before and after tiles and rows, and of a batch against summed gradients.

python benchmarks/float32_memory.py         prints the tables of the documentation, in Markdown

The networks of the tests, for a Cortex-M7 with as much RAM as they want.  RAM is the arena, the
trained parameters and the optimiser's state; the stack is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import trainlet as tl
from trainlet.ir.graph import Graph

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from zoo import NETWORKS, Case

PRESETS = ("bias", "norm", "full")
BATCH = 8
WAYS = (
    {"tile": False, "stream": False},
    {"stream": False},
    {},
)
"""Whole maps; tiles; the defaults, which may take the input in rows."""
ROOMY = replace(tl.Target.preset("cortex-m7"), ram=64 << 20, flash=64 << 20)


def main() -> None:
    print("| network | learns | whole maps | tiles | and the input in rows | saved |")
    print("|---|---|---:|---:|---:|---:|")
    for name, preset, *found in tiled():
        saved = 100 * (1 - found[-1] / found[0])
        print(f"| {name} | {preset} | {' | '.join(f'{r:,}' for r in found)} | {saved:.0f} % |")
    print(f"\n| network | learns | a batch of {BATCH} | {BATCH} summed gradients | |")
    print("|---|---|---:|---:|---:|")
    for name, preset, batch, summed in batches():
        print(f"| {name} | {preset} | {batch:,} | {summed:,} | {batch / summed:.1f} x |")


def tiled() -> Iterator[tuple[str, str, *tuple[int, ...]]]:
    """RAM in each of the ways; of full training, which needs all maps, in none."""
    for name in NETWORKS:
        case, graph = prepared(name, 1)
        for preset in PRESETS[:-1]:
            scheme = tl.schemes.preset(preset, case.model)
            yield name, preset, *(ram(graph, scheme, **way) for way in WAYS)


def batches() -> Iterator[tuple[str, str, int, int]]:
    """RAM of a step of a batch, and of one that sums the gradients of as many examples."""
    for name in NETWORKS:
        (case, one), (_, many) = prepared(name, 1), prepared(name, BATCH)
        for preset in PRESETS:
            scheme = tl.schemes.preset(preset, case.model)
            yield name, preset, ram(many, scheme), ram(one, scheme, accumulate=BATCH)


def prepared(name: str, batch: int) -> tuple[Case, Graph]:
    case = NETWORKS[name](batch)
    return case, tl.prepare(case.model, case.x, check=False)


def ram(graph: Graph, scheme: tl.UpdateScheme, **options: Any) -> int:
    program = tl.compile(graph, scheme=scheme, target=ROOMY, **options)
    return program.arena_bytes + program.state_bytes


if __name__ == "__main__":
    main()
