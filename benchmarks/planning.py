"""How near the order and the placement of real training steps come to what no plan can beat.

python benchmarks/planning.py           prints the table of the documentation, in Markdown, and
                                        writes build/planning.json

Arenas are those of targets without limit of RAM, so without tiles, and without the old values that
a step keeps to take back its updates.  Times are seconds of one core.  MCUNet needs its published
backbone in ../shared/data, and is left out where that is absent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from time import process_time

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.best_order import find_order
from trainlet.planning.order.schedule import schedule
from trainlet.planning.place import plan_graph
from trainlet.planning.tiles.tiled import plan_in_tiles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from int8.networks import MCUNET, SMALLEST  # noqa: E402
from zoo import NETWORKS  # noqa: E402

PRESETS = ("full", "bias", "norm", "last")


@dataclass(frozen=True)
class Row:
    """Bytes, and seconds.

    greedy: the lower bound of the greedy order
    default, optimal: those of the orders that the two efforts find
    every_order: no order has a lower bound below this
    arena, optimal_arena: of the two plans
    tiled, tiled_arena: lower bound and arena with tiles
    """

    name: str
    scheme: str
    operations: int
    greedy: int
    default: int
    optimal: int
    every_order: int
    arena: int
    optimal_arena: int
    tiled: int
    tiled_arena: int
    default_seconds: float
    optimal_seconds: float
    tiling_seconds: float


def graphs() -> Iterator[tuple[str, str, Graph]]:
    """The networks of the tests with each preset, and MCUNet-5FPS with its published scheme."""
    for name, build in NETWORKS.items():
        case = build(1)
        graph = tl.prepare(case.model, case.x, check=False)
        for preset in PRESETS:
            scheme = tl.schemes.preset(preset, case.model)
            yield name, preset, lowered(tl.train(graph, scheme))
    if MCUNET.exists():
        graph = tl.load(MCUNET, classes=10)
        precision = tl.Int8(gradient="int16")
        step = lowered(tl.train(graph, SMALLEST, precision=precision))
        yield "mcunet_5fps", "49 KB", step


def lowered(training: tl.Training) -> Graph:
    """The step as a Cortex-M7 runs it, without copies of weights."""
    return tl.Target.preset("cortex-m7").lower(training.step)[0]


def measure(name: str, scheme: str, graph: Graph) -> Row:
    """Plan it in all ways."""
    marks = [process_time()]
    found = find_order(graph)
    plan = plan_graph(graph, found.order, rollback=False)
    marks.append(process_time())
    best = find_order(graph, "optimal")
    optimal = plan_graph(graph, best.order, effort="optimal", rollback=False)
    marks.append(process_time())
    tiled = plan_in_tiles(graph, found.order, rollback=False)
    marks.append(process_time())
    seconds = [end - start for start, end in pairwise(marks)]
    return Row(
        name,
        scheme,
        len(found.order),
        assign_buffers(graph, schedule(graph)).lower_bound,
        plan.lower_bound,
        optimal.lower_bound,
        best.bound,
        plan.arena,
        optimal.arena,
        tiled.lower_bound,
        tiled.arena,
        *seconds,
    )


def table(rows: list[Row]) -> str:
    """Ratios are to what every order needs, but for the last, which is to the tiled bound."""
    columns = "network, scheme|operations|every order needs|greedy|order|arena|s"
    columns += "|optimal order|arena|s|bound with tiles|arena|s"
    names = columns.split("|")
    lines = [f"| {' | '.join(names)} |", f"|---{'|---:' * (len(names) - 1)}|"]
    for r in rows:
        values = [
            f"{r.name} {r.scheme}",
            f"{r.operations}",
            f"{r.every_order:,}",
            f"{r.greedy / r.every_order:.4f}",
            f"{r.default / r.every_order:.4f}",
            f"{r.arena / r.every_order:.4f}",
            f"{r.default_seconds:.2f}",
            f"{r.optimal / r.every_order:.4f}",
            f"{r.optimal_arena / r.every_order:.4f}",
            f"{r.optimal_seconds:.2f}",
            f"{r.tiled:,}",
            f"{r.tiled_arena / r.tiled:.4f}",
            f"{r.tiling_seconds:.2f}",
        ]
        lines.append(f"| {' | '.join(values)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    rows = [measure(*given) for given in graphs()]
    print(table(rows))
    out = ROOT / "build" / "planning.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
