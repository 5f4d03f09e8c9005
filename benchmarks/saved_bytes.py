"""Bytes kept for the backward pass: Trainlet's trainers against PyTorch's autograd.

For every network of the tests and every preset, float32, batch 1: what the trainer keeps between
the passes (`Program.saved_bytes`), its arena, and what autograd saves for the same update (unique
storages seen by saved-tensor hooks, parameters and buffers left out).

    python benchmarks/saved_bytes.py        prints a table, writes build/saved_bytes.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.passes.presets import PRESETS
from trainlet.torch.saved import learning

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from zoo import NETWORKS  # noqa: E402
from zoo.case import Case  # noqa: E402


def autograd_saved(case: Case, scheme: tl.UpdateScheme) -> int:
    """Bytes that autograd saves in one forward pass when the scheme's parameters learn."""

    def loss() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(case.model(case.x), case.y)

    with learning(case.model, scheme.ratios):
        return tl.torch.saved_bytes(case.model, loss)


def rows() -> list[dict]:
    """One row a network and preset."""
    table = []
    for name, make in NETWORKS.items():
        case = make(1)
        for preset in PRESETS:
            scheme = tl.schemes.preset(preset, case.model)
            program = tl.compile(case.model, case.x, scheme, target="host")
            table.append(
                {
                    "network": name,
                    "preset": preset,
                    "saved_bytes": program.saved_bytes,
                    "arena_bytes": program.arena_bytes,
                    "lower_bound_bytes": program.plan.lower_bound,
                    "autograd_saved_bytes": autograd_saved(case, scheme),
                }
            )
    return table


def main() -> None:
    """Measure, print, write."""
    found = rows()
    table = Table("network", "update", "kept", "arena", "arena / bound", "autograd", "ratio")
    for row in found:
        saved, autograd = row["saved_bytes"], row["autograd_saved_bytes"]
        table.add_row(
            row["network"],
            row["preset"],
            f"{saved:,}",
            f"{row['arena_bytes']:,}",
            f"{row['arena_bytes'] / row['lower_bound_bytes']:.3f}",
            f"{autograd:,}",
            f"{autograd / max(saved, 1):.1f}",
        )
    Console(width=110).print(table)
    out = ROOT / "build" / "saved_bytes.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
