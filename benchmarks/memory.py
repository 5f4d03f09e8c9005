"""How the bytes of a published trainer are won, technique by technique.

python benchmarks/memory.py --data ../shared/data      prints Markdown, writes build/memory.json

Each row adds one technique to those above it.  RAM here is the arena, the trained parameters and
the state; the stack, which the compiled code decides, is not in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS
from trainlet.ops.optimizer import SGD
from trainlet.passes.fuse.parts import read_in_parts
from trainlet.passes.fuse.updates import copy_weights, fuse_updates
from trainlet.passes.split import split_weights
from trainlet.passes.training import in_storage
from trainlet.passes.update import attach_updates
from trainlet.planning import liveness
from trainlet.planning.order.schedule import before, schedule
from trainlet.planning.place import plan_graph
from trainlet.planning.plan import Plan
from trainlet.planning.tiles.tiled import plan_in_tiles

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ways:
    """Which techniques a plan uses."""

    scheduled: bool = False
    in_place: bool = False
    gradient: str = "float32"
    split: bool = False
    fused: bool = False
    tiled: bool = False
    streamed: bool = False
    bias_bits: int = 32
    in_parts: bool = False
    head_bits: int = 32


LADDER: list[tuple[str, Ways]] = [("layer by layer, all updates at the end", Ways())]


def _add(title: str, **more: bool | str | int) -> None:
    LADDER.append((title, replace(LADDER[-1][1], **more)))


_add("each update as soon as its gradient exists", scheduled=True)
_add("operations in place", in_place=True)
_add("frozen shares of weights in Flash", split=True)
_add("layers a few rows at a time", tiled=True)
_add("int16 gradients", gradient="int16")
_add("gradients straight into their weights", fused=True)
_add("int8 gradients", gradient="int8")
_add("the image comes in rows", streamed=True)
_add("16 bits a bias", bias_bits=16)
_add("weights in two parts", in_parts=True)
_add("a head in 16 bits", head_bits=16)


def layer_by_layer(graph: Graph) -> tuple[Node, ...]:
    """The order of the graph, updates last."""
    wanted = before(graph)
    left = sorted(wanted, key=lambda n: OPS[n.op].mutates is not None)
    done: dict[Node, None] = {}
    while left:
        following = next(n for n in left if wanted[n] <= done.keys())
        done[following] = None
        left.remove(following)
    return tuple(done)


def planned(graph: Graph, ways: Ways) -> Plan:
    order = schedule(graph) if ways.scheduled else layer_by_layer(graph)
    streamed = graph.leaves("input")[0] if ways.streamed else None
    return (
        plan_in_tiles(graph, order, streamed, rollback="step")
        if ways.tiled
        else plan_graph(graph, order)
    )


def measure(network: Graph, scheme: tl.UpdateScheme, ways: Ways, extra_bits: int) -> dict[str, int]:
    """Bytes of one way of planning."""
    precision = tl.Int8(
        gradient=ways.gradient, extra_bits=extra_bits, bias_bits=ways.bias_bits,
        head_bits=ways.head_bits,
    )  # fmt: skip
    pruned = tl.train(network, scheme, precision=precision, stop_after="prune").step
    halves = split_weights(pruned, scheme) if ways.split else pruned
    step = attach_updates(in_storage(halves, precision), SGD(), 1, precision).step
    fused = fuse_updates(step)
    graphs = [fused, copy_weights(fused)] if ways.fused else [step]
    if ways.in_parts:
        apart = read_in_parts(fused)
        graphs += [apart, copy_weights(apart)]
    alone: Callable = liveness._reused_buffer if ways.in_place else lambda *_: None
    with patch.object(liveness, "_reused_buffer", alone):
        plan = min((planned(graph, ways) for graph in graphs), key=lambda plan: plan.arena)
    kept = sum(n.type.nbytes for n in step.leaves("param", "state"))
    return {"arena_bytes": plan.arena, "trained_bytes": kept, "ram_bytes": plan.arena + kept}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--network", choices=SCHEMES, default="mcunet-5fps")
    parser.add_argument("--scheme", default="49KB")
    parser.add_argument("--extra-bits", type=int, default=4, choices=[0, 4, 8])
    given = parser.parse_args()
    file = given.data / "models" / "mcunet_int8" / f"{given.network}.npz"
    if not file.exists():
        raise SystemExit(f"{file} is absent: say where the published backbones are with --data")
    network = tl.load(file, classes=10)
    scheme = SCHEMES[given.network][given.scheme].update_scheme
    print(f"{given.network}, {given.scheme}, int8 with {given.extra_bits} extra bits, bytes\n")
    print("| technique, added to those above | arena | trained | RAM | saved |")
    print("|---|---:|---:|---:|---:|")
    rows, last = [], 0
    for title, ways in LADDER:
        row = {"technique": title, **measure(network, scheme, ways, given.extra_bits)}
        ram, won = row["ram_bytes"], f"{last - row['ram_bytes']:,}" if last else ""
        print(f"| {title} | {row['arena_bytes']:,} | {row['trained_bytes']:,} | {ram:,} | {won} |")
        rows.append(row)
        last = ram
    out = ROOT / "build" / "memory.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
