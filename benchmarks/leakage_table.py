"""What attackers recover from gradients: defences, schemes, and trainlets that exist.

    make bench-leakage DATA=FOLDER
    python benchmarks/leakage_table.py --part defences  others: rounds, schemes, trainlets, utility

Each finished row is kept in build/bench-leakage.jsonl; an interrupted run goes on there.  At the
end all rows are in build/bench-leakage.json, and the table is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from leakage.networks import Subject, ds_cnn, lenet, mcunet, mcunet_scheme
from leakage.utility import accuracy
from rich.console import Console
from rich.table import Table

import trainlet as tl

ROOT = Path(__file__).parents[1]
SPARSE = {"conv2.weight": 0.5, "conv3.weight": 0.5, "conv3.bias": 1.0, "fc.bias": 1.0}
LENET = {"full": "full", "last": "last", "bias": "bias", "sparse": SPARSE}
DEFENCES = (
    "none", "prune:0.2", "int8", "noise:0.1", "topk:0.01", "prune:0.9", "sign", "fp16", "noise:1",
    "topk:0.01,noise:0.1", "noise:0.01", "prune:0.5", "clip:1.0",
)  # fmt: skip
PICTURES = 10
LONG = ("none", "prune:0.2")
"""Shares whose searches have 600 iterations; those of the others have 300."""
MEMORIES = (
    ("topk:0.01", "fleet"), ("topk:0.1", "fleet"), ("topk:0.01", "none"), ("topk:0.01", "dgc:0.9"),
    ("topk:0.01,int8", "fleet"),
)  # fmt: skip
ROUNDS = 1, 4, 16
MASKS = ("prune", "topk")
"""The steps that leave coordinates out: their shares are also attacked naively."""


@dataclass(frozen=True)
class Cell:
    """One share of one scheme of a network, on some examples."""

    network: str
    scheme: str
    share: str
    images: int
    iterations: int = 600
    attacks: tuple[str, ...] = ("dlg",)
    rounds: int = 1
    feedback: str = "fleet"

    def key(self, image: int) -> tuple[Any, ...]:
        """Of the rows of one example."""
        return self.network, self.scheme, self.share, self.rounds, self.feedback, image


def cells(part: str) -> Iterator[Cell]:
    if part == "defences":
        for share in DEFENCES:
            hidden = share in ("sign", "topk:0.01", "noise:1")
            attacks = ("dlg", "inverting") if hidden else ("dlg",)
            yield Cell("lenet", "full", share, PICTURES, 600 if share in LONG else 300, attacks)
    if part == "schemes":
        for scheme in ("last", "bias", "sparse", "lora"):
            yield Cell("lenet", scheme, "none", PICTURES, 300)
    if part == "rounds":
        for share, feedback in MEMORIES:
            for rounds in ROUNDS:
                yield Cell("lenet", "full", share, 3, 200, ("dlg",), rounds, feedback)
    if part == "trainlets":
        for network in ("ds_cnn float32", "ds_cnn int8"):
            for scheme in ("full", "bias", "last"):
                yield Cell(network, scheme, "none", 2, 100)
        for scheme in ("bias", "49KB", "last"):
            yield Cell("mcunet int8", scheme, "none", 1, 60)


def subject(cell: Cell, data: Path) -> tuple[Subject, Any]:
    """The network with its examples, and the scheme."""
    if cell.network == "lenet":
        lora = cell.scheme == "lora"
        return lenet(data, cell.images, lora), "lora" if lora else LENET[cell.scheme]
    if cell.network == "mcunet int8":
        return mcunet(data, cell.images), mcunet_scheme() if cell.scheme == "49KB" else cell.scheme
    return ds_cnn(data, cell.images, cell.network.split()[1]), cell.scheme


def measured(cell: Cell, data: Path, k: int) -> list[dict[str, Any]]:
    """The rows of one example."""
    one, scheme = subject(cell, data)
    audit = tl.audit(
        one.graph, None, scheme, x=one.x[k : k + 1], y=one.y[k : k + 1], shares=[cell.share],
        attacks=cell.attacks, iterations=cell.iterations, bounds=one.bounds, public=one.public,
        naive=cell.share.startswith(MASKS) and cell.rounds == 1, seed=k, rounds=cell.rounds,
        feedback=cell.feedback,
    )  # fmt: skip
    known = {"network": cell.network, "scheme": cell.scheme, "rounds": cell.rounds}
    known["feedback"] = cell.feedback
    return [{**known, **row, "image": k} for row in audit.records()]


def show(rows: list[dict[str, Any]], gained: dict[str, float]) -> None:
    """A row for each network, scheme, share, attack and kind of attacker."""
    columns = (
        "network",
        "scheme",
        "share",
        "memory",
        "rounds",
        "attack",
        "attacker",
        "images",
        "PSNR (dB)",
        "constant",
    )
    columns += "SSIM", "labels", "bytes", "accuracy"
    table, groups = Table(*columns), dict[tuple, list[dict[str, Any]]]()
    for row in rows:
        names = "network", "scheme", "share", "feedback", "rounds", "attack", "adaptive"
        key = tuple(row[name] for name in names)
        groups.setdefault(key, []).append(row)
    for key, own in groups.items():
        psnr, ssim = [r["psnr_db"] for r in own], [r["ssim"] for r in own if r["ssim"] is not None]
        table.add_row(
            *map(str, key[:6]), "adaptive" if key[6] else "naive", str(len(own)),
            f"{np.median(psnr):.1f} ({min(psnr):.1f} to {max(psnr):.1f})",
            f"{np.median([r['floor_db'] for r in own]):.1f}",
            f"{np.median(ssim):.2f}" if ssim else "",
            f"{sum(r['label_correct'] for r in own)}/{len(own)}",
            f"{own[0]['bytes_sent']:,}",
            f"{gained[key[2]]:.1%}" if key[2] in gained and key[1] == "full" else "",
        )  # fmt: skip
    Console(width=170).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parts = ("defences", "rounds", "schemes", "trainlets", "utility")
    parser.add_argument("--part", action="append", choices=parts)
    parser.add_argument("--minutes", type=float, help="stop after the row that ends later")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench-leakage.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kept, started = asked.json.with_suffix(".jsonl"), time.monotonic()
    kept.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []

    def late() -> bool:
        return asked.minutes is not None and time.monotonic() - started > 60 * asked.minutes

    def keep(new: list[dict[str, Any]]) -> None:
        rows.extend(new)
        with kept.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in new)

    for part in asked.part or parts:
        names = "network", "scheme", "share", "rounds", "feedback", "image"
        done = {tuple(r[name] for name in names) for r in rows if "image" in r}
        for cell in cells(part):
            for k in range(cell.images):
                if cell.key(k) not in done and not late():
                    keep(measured(cell, asked.data, k))
        known = {r["share"] for r in rows if "accuracy" in r}
        for share in DEFENCES if part == "utility" else ():
            if share not in known and not late():
                keep([{"share": share, "accuracy": accuracy(asked.data, share)}])
    attacks = [row for row in rows if "image" in row]
    asked.json.write_text(json.dumps(attacks, indent=1))
    show(attacks, {row["share"]: row["accuracy"] for row in rows if "accuracy" in row})


if __name__ == "__main__":
    main()
