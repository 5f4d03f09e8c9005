"""What recomputation saves: the chain's optimum on MobileNetV2, and whole trainers.

Chains: MobileNetV2 at 224x224, everything trained, one image, its 140 layers (convolutions, norms,
activations, the head) as a chain.  Bytes are what each layer's gradients read, work is
multiply-accumulates, and a backward pass counts as two forward passes.

Trainers: networks of the tests, everything trained, float32, batch 1, compiled for a Cortex-M7 with
less and less RAM until nothing fits: arena, multiply-accumulates recomputed, and whether the choice
is proven to be the cheapest.

    python benchmarks/recompute.py          prints two tables, writes build/recompute.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import TargetError
from trainlet.planning.limits import needed
from trainlet.planning.recompute.checkpoint import ChainStage, cheapest, measure, smallest, uniform

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from plan.chains import mobilenet_v2, textbook, textbook_optimum  # noqa: E402
from zoo import NETWORKS  # noqa: E402

TRAINED = ("resnet8", "cct2", "ds_cnn")
SHARES = (1.0, 0.8, 0.7, 0.6, 0.5, 0.4)
MEGABYTE = 1 << 20
MAX_RECOMPUTE = 1.33


def chain_rows(chain: list[ChainStage]) -> list[dict]:
    """Plans for a chain: how they are counted, bytes, and work as a share of the whole step."""
    saved, step = sum(k.saved for k in chain), 3 * sum(k.macs for k in chain)
    macs = step // 3
    equal = uniform(len(chain), 12)
    equal_bounds = [0, *(end for _, end in equal)]
    best_bounds = textbook_optimum(chain)
    best = measure(chain, list(pairwise(best_bounds)))
    plans = [
        ("everything kept", "-", saved, 0),
        ("12 equal segments", "book", textbook(chain, equal_bounds), measure(chain, equal).extra),
        ("optimal segments", "book", textbook(chain, best_bounds), best.extra),
        ("12 equal segments", "alive", measure(chain, equal).peak, measure(chain, equal).extra),
    ]
    quarter = cheapest(chain, saved // 4)
    for name, found in (
        ("cheapest for a quarter", quarter),
        ("smallest for 1.05 x", smallest(chain, int(0.05 * step))),
        ("smallest for 1.10 x", smallest(chain, int(0.10 * step))),
        ("smallest for 1.17 x", smallest(chain, int(0.17 * step))),
        ("smallest", smallest(chain, macs)),
    ):
        if found is not None:
            plans.append((name, "alive", found.peak, found.extra))
    return [
        {
            "plan": name,
            "counted": how,
            "bytes": size,
            "times_less": saved / size,
            "extra_forward": extra / macs,
            "times_work": 1 + extra / step,
        }
        for name, how, size, extra in plans
    ]


def trainer_rows(name: str) -> list[dict]:
    """A network with less and less RAM."""
    case = NETWORKS[name](1)
    scheme = tl.schemes.full(case.model)
    roomy = replace(tl.Target.preset("cortex-m7"), ram=4 * MEGABYTE, flash=4 * MEGABYTE)

    def made(max_ram: int | None) -> CompiledProgram:
        return tl.compile(
            case.model,
            case.x,
            scheme,
            target=roomy,
            max_ram=max_ram,
            max_recompute=MAX_RECOMPUTE,
            rollback=False,
        )

    usual = made(None)
    ram, _ = needed(usual)
    rows = []
    for share in SHARES:
        limit = ram - usual.arena_bytes + int(share * usual.arena_bytes)
        try:
            program = made(limit)
        except TargetError:
            break
        total = program.macs_forward + program.macs_backward
        done = program.recomputation
        rows.append(
            {
                "network": name,
                "allowed": share,
                "arena_bytes": program.arena_bytes,
                "arena_share": program.arena_bytes / usual.arena_bytes,
                "saved_bytes": program.saved_bytes,
                "times_work": 1 + program.macs_recomputed / total,
                "gap": done.gap if done else 0.0,
            }
        )
    return rows


def main() -> None:
    """Measure, print, write."""
    chain = chain_rows(mobilenet_v2())
    console = Console(width=110)
    table = Table("plan", "counted", "MB", "times less", "extra forward", "times work")
    for row in chain:
        table.add_row(
            row["plan"],
            row["counted"],
            f"{row['bytes'] / 1e6:.2f}",
            f"{row['times_less']:.2f}",
            f"{row['extra_forward']:.2f}",
            f"{row['times_work']:.3f}",
        )
    console.print(table)
    trainers = [row for name in TRAINED for row in trainer_rows(name)]
    table = Table("network", "arena allowed", "arena", "share", "kept", "times work", "gap")
    for row in trainers:
        table.add_row(
            row["network"],
            f"{row['allowed']:.0%}",
            f"{row['arena_bytes']:,}",
            f"{row['arena_share']:.1%}",
            f"{row['saved_bytes']:,}",
            f"{row['times_work']:.3f}",
            "greedy" if row["gap"] is None else f"{row['gap']:.1%}",
        )
    console.print(table)
    out = ROOT / "build" / "recompute.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"chain": chain, "trainers": trainers}, indent=1))


if __name__ == "__main__":
    main()
