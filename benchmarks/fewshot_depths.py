"""What a longer list of candidates costs: python benchmarks/fewshot_depths.py --data FOLDER

Compiles, for a Cortex-M7, trainers that choose which layers of MCUNet's int8 backbone learn
(64x64 pixels, five ways), with a criterion and numbers of candidates, and prints a row of
docs/few-shot.md for each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fewshot.signs import features_of

import trainlet as tl
from trainlet.ir.graph import Graph

WAYS = 5
TITLES = (
    "criterion", "depth", "first candidate", "measure, bytes", "measure, MACs backward", "variants",
    "layers of a variant", "Flash, bytes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Candidates of a selection on the device")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--depths", type=int, nargs="+", default=[6, 12, 18])
    parser.add_argument("--criteria", nargs="+", default=["fisher", "gradient"])
    parser.add_argument("--ram", type=int, default=96, help="KB")
    asked = parser.parse_args()
    features = features_of(asked.data / "models" / "mcunet_int8" / "mcunet-5fps.npz")
    graph = tl.adapt.cosine_head(features, WAYS)
    print(f"| {' | '.join(TITLES)} |\n|---|---:|---|---:|---:|---:|---:|---:|")
    for criterion in asked.criteria:
        for depth in asked.depths:
            print(row(graph, asked.ram, criterion, depth), flush=True)


def row(graph: Graph, ram: int, criterion: str, depth: int) -> str:
    program = tl.schemes.choosing(
        graph, ram=ram * 1024, depth=depth, criterion=criterion, precision=tl.Int8()
    )
    report, first = program.report, program.choice.candidates[0].weight.removesuffix(".weight")
    sizes = sorted(len(one.weights) for one in report.variants)
    measure = report.measuring
    cells = (
        criterion, depth, first, f"{measure.memory_bytes:,}", f"{measure.macs_backward:,}",
        len(sizes), f"{sizes[0]} to {sizes[-1]}", f"{report.flash_bytes:,}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
