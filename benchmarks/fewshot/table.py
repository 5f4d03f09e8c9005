"""Rows as tables of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .study import Row

HEAD = ("method", "RAM, bytes", "MACs backward", "rate", "accuracy, %", "against full, points")


def table(rows: Sequence[Row]) -> str:
    """Of one task and network.  The first +- is half of a 95 % confidence interval over episodes,
    the second that of the paired difference to full training."""
    full = next((np.array(r["episodes"]) for r in rows if r["method"] == "full"), None)
    lines = [
        f"{rows[0]['task']}, {rows[0]['network']}, {len(rows[0]['episodes'])} episodes",
        f"| {' | '.join(HEAD)} |", "|---|" + "---:|" * (len(HEAD) - 1),
    ]  # fmt: skip
    for row in rows:
        apart = "" if full is None else interval(np.array(row["episodes"]) - full)
        rate = f"{row['rate']:g}" if "rate" in row else ""
        lines.append(
            f"| {row['method']} | {row['ram_bytes']:,} | {row['macs_backward']:,} | {rate} | "
            f"{row['accuracy']:.1f} +- {row['interval']:.1f} | {apart} |"
        )
    return "\n".join(lines)


def means(rows: Sequence[Row]) -> str:
    """Of each method over the tasks and networks that all methods have."""
    cells = {(r["task"], r["network"]): {} for r in rows}
    for row in rows:
        cells[row["task"], row["network"]][row["method"]] = row["accuracy"]
    names = list(dict.fromkeys(r["method"] for r in rows))
    shared = [n for n in names if all(n in own for own in cells.values())]
    averages = (f"{n} {np.mean([own[n] for own in cells.values()]):.1f}" for n in shared)
    return f"mean of {len(cells)}: {', '.join(averages)}"


def interval(found: np.ndarray) -> str:
    half = 1.96 * found.std(ddof=1) / len(found) ** 0.5
    return f"{found.mean():+.1f} +- {half:.1f}"
