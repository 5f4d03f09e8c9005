"""What adapters cost beside other schemes: bytes kept for the backward pass, RAM, Flash and
multiply-accumulates of a training step, on a convolutional network and a transformer.

Batch 1, SGD, for a Cortex-M7 with 16 MB of RAM and of Flash, so that nothing is recomputed to fit.
In int8 with int16 gradients and 8 extra bits.  The weights are not trained: no number here depends
on their values.

    python benchmarks/adapters.py [NETWORK ...]     prints a table, writes build/adapters.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.ir.storage import storage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from zoo import NETWORKS  # noqa: E402

RANK = 4
TARGET = replace(tl.Target.preset("cortex-m7"), ram=16 << 20, flash=16 << 20)
Rewrite = Callable[[Graph], Graph]
WAYS: dict[str, tuple[str, Rewrite]] = {
    "last": ("last", lambda graph: graph),
    "bias": ("bias", lambda graph: graph),
    "full": ("full", lambda graph: graph),
    "LoRA": ("lora", lambda graph: tl.adapt.lora(graph, RANK)),
    "LoRA, h again": ("lora", lambda graph: tl.adapt.lora(graph, RANK, recompute=True)),
    "LoRA-FA": ("lora_fa", lambda graph: tl.adapt.lora(graph, RANK)),
    "LoRA-FA, h again": ("lora_fa", lambda graph: tl.adapt.lora(graph, RANK, recompute=True)),
    "TinyTL-L": ("tinytl_l", tl.adapt.tinytl),
    "TinyTL-L+B": ("tinytl", tl.adapt.tinytl),
}
"""The scheme of each row, and what is done to the graph before."""


def rows(network: str) -> Iterator[dict[str, Any]]:
    """One row a precision and way; TinyTL only where there are inverted bottlenecks."""
    case = NETWORKS[network](1)
    for precision in ("float32", "int8"):
        shown = [NETWORKS[network](8).x.numpy()] if precision == "int8" else None
        graph = tl.prepare(case.model, case.x, precision=precision, calibration=shown)
        for way, (scheme, rewrite) in WAYS.items():
            try:
                changed = rewrite(graph)
            except tl.TrainletError:
                continue
            program = tl.plan(tl.train(changed, scheme), TARGET)
            report = program.report
            yield {
                "network": network,
                "precision": precision,
                "way": way,
                "trained": sum(prod(storage(n).shape) for n in program.params),
                "saved_bytes": report.saved_bytes,
                "ram_bytes": report.ram_bytes,
                "flash_bytes": report.flash_bytes,
                "macs": report.macs_forward + report.macs_backward,
            }


def main() -> None:
    """Measure, print, write."""
    found = [row for name in sys.argv[1:] or ("mobilenet_v2", "cct2") for row in rows(name)]
    table = Table("network", "", "", "trained", "kept KB", "RAM KB", "Flash KB", "MACs, M")
    for row in found:
        table.add_row(
            row["network"], row["precision"], row["way"], f"{row['trained']:,}",
            *(f"{row[k] / 1024:,.1f}" for k in ("saved_bytes", "ram_bytes", "flash_bytes")),
            f"{row['macs'] / 1e6:,.1f}",
        )  # fmt: skip
    Console(width=110).print(table)
    out = ROOT / "build" / "adapters.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
