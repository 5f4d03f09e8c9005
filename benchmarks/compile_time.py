"""How long the compiler takes, stage by stage, for MobileNetV2-0.35 at 128x128.

python benchmarks/compile_time.py       prints a table, writes build/compile_time.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.planning.place import plan_graph

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from zoo import NETWORKS  # noqa: E402

REPEATS = 3


def measure(batch: int, preset: str) -> dict:
    """Seconds of each stage; the least of some repeats, since the machine may be busy."""
    case = NETWORKS["mobilenet_v2"](batch)
    scheme = tl.schemes.preset(preset, case.model)
    best: dict[str, float] = {}
    for _ in range(REPEATS):
        marks = [perf_counter()]
        graph = tl.prepare(case.model, case.x, check=False)
        marks.append(perf_counter())
        training = tl.train(graph, scheme)
        marks.append(perf_counter())
        plan = plan_graph(training.step)
        marks.append(perf_counter())
        program = tl.compile(graph, None, scheme, target="host")
        with tempfile.TemporaryDirectory() as folder:
            program.write(folder)
        marks.append(perf_counter())
        names = ("import", "passes", "plan", "passes, plan and C")
        for name, start, end in zip(names, marks, marks[1:], strict=False):
            best[name] = min(best.get(name, 1e9), end - start)
    return {
        "batch": batch,
        "preset": preset,
        "seconds": best,
        "arena_bytes": plan.arena,
        "lower_bound_bytes": plan.lower_bound,
    }


def main() -> None:
    """Measure, print, write."""
    found = [measure(batch, preset) for batch in (1, 4) for preset in ("bias", "full")]
    stages = list(found[0]["seconds"])
    table = Table(
        "MobileNetV2-0.35, 128x128", *(f"{stage}, s" for stage in stages), "arena / bound"
    )
    for row in found:
        table.add_row(
            f"batch {row['batch']}, {row['preset']}",
            *(f"{row['seconds'][stage]:.2f}" for stage in stages),
            f"{row['arena_bytes'] / row['lower_bound_bytes']:.4f}",
        )
    Console(width=110).print(table)
    out = ROOT / "build" / "compile_time.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
