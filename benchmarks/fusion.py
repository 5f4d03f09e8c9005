"""What fusing saves: tables for functions of a byte, one loop for a chain of element-wise
operations, and recomputed float32 values in the backward pass of int8 networks.

Each network of the tests is compiled with and without these passes (`lookup_tables`, `chains` and
`rematerialize` of `passes/fuse`).  A training step is counted on an emulated Cortex-M7, batch 1,
without the old values of a step (`rollback=False`), which would hide what is saved.

    python benchmarks/fusion.py              prints Markdown, writes build/fusion.json; 20 minutes
    python benchmarks/fusion.py ds_cnn ...   only these networks
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest.mock import patch

import trainlet as tl
from trainlet.errors import TrainletError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from zoo import NETWORKS  # noqa: E402

ROOMY = {"ram": 16 << 20, "flash": 16 << 20}
PRECISIONS = {"float32": "float32", "int8": tl.Int8(gradient="int16")}
PASSES = (
    "trainlet.passes.training.fuse_lookup_tables",
    "trainlet.passes.training.rematerialize",
    "trainlet.planning.target.fuse_chains",
)


@dataclass(frozen=True)
class Counted:
    """Bytes and instructions of one trainer."""

    network: str
    precision: str
    scheme: str
    joined: bool
    arena_bytes: int
    flash_bytes: int
    instructions_predict: int
    instructions_step: int


def count(name: str, precision: str, scheme: str, joined: bool) -> Counted:
    case = NETWORKS[name](1)
    target = replace(tl.Target.preset("cortex-m7"), **ROOMY)
    shown = [NETWORKS[name](8).x.numpy()] if precision == "int8" else None
    with ExitStack() as without:
        for one in () if joined else PASSES:
            without.enter_context(patch(one, lambda graph: graph))
        program = tl.compile(case.model, case.x, scheme, target=target, calibration=shown,
                             precision=PRECISIONS[precision], rollback=False)  # fmt: skip
    found = program.profile("unicorn")
    flash = found.report.flash_bytes or 0
    return Counted(name, precision, scheme, joined, program.arena_bytes, flash,
                   found.instructions_predict, found.instructions_step)  # fmt: skip


def measured(names: list[str]) -> Iterator[tuple[Counted, Counted]]:
    for name in names:
        for precision in PRECISIONS:
            for scheme in ("full", "bias"):
                try:
                    apart, joined = (count(name, precision, scheme, j) for j in (False, True))
                    yield apart, joined
                except TrainletError as error:
                    print(f"{name}, {precision}, {scheme}: {error}", file=sys.stderr)


def compared(before: int, after: int) -> str:
    return f"{before:,} | {after:,} | {100 * (after - before) / before:+.1f}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}; all by default")
    names = parser.parse_args().networks or [*NETWORKS]
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"no network {', '.join(sorted(unknown))}; allowed: {', '.join(NETWORKS)}")
    print("| network | precision | scheme | arena apart | joined | % | forward | joined | % "
          "| step | joined | % | Flash apart | joined | % |")  # fmt: skip
    print("|---|---|---|" + "---:|" * 12)
    rows = []
    for apart, joined in measured(names):
        print(f"| {joined.network} | {joined.precision} | {joined.scheme} "
              f"| {compared(apart.arena_bytes, joined.arena_bytes)} "
              f"| {compared(apart.instructions_predict, joined.instructions_predict)} "
              f"| {compared(apart.instructions_step, joined.instructions_step)} "
              f"| {compared(apart.flash_bytes, joined.flash_bytes)} |", flush=True)  # fmt: skip
        rows += [asdict(apart), asdict(joined)]
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "fusion.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
