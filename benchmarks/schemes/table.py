"""The rows of a task as a table of Markdown, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

HEAD = (
    "scheme", "RAM", "kept and learnt", "Flash", "instructions, M", "rate", "accuracy, %",
    "difference to full",
)  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """In ascending order of RAM.  The first +- is the standard deviation over the subjects, the
    second the standard error of the paired difference to full training."""
    lines = [
        f"{result['task']}, {result['precision']}: no training {100 * result['before']:.1f}; "
        f"{result['seconds']} s of one core",
        f"| {' | '.join(HEAD)} |", "|---|" + "---:|" * (len(HEAD) - 1),
    ]  # fmt: skip
    for row in sorted(result["rows"], key=lambda row: row["ram_bytes"]):
        counted = row["instructions"]
        cells = [
            row.get("variant", row["method"]), f"{row['ram_bytes']:,}",
            f"{row['kept_and_learnt']:,}", f"{row['flash_bytes']:,}",
            "" if counted is None else f"{counted / 1e6:.2f}",
            f"{row['rate']:g}" + (" (edge)" if row["at_edge"] else ""),
            f"{100 * row['accuracy']:.1f} +- {100 * row['spread']:.1f}",
            "" if row["method"] == "full"
            else f"{100 * row['difference']:+.1f} +- {100 * row['error']:.1f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    edges = [row["method"] for row in result["rows"] if row["at_edge"]]
    lines.append(f"optima at an edge of the rates: {', '.join(edges) or 'none'}")
    if result["correlation"]:
        lines.append("rank correlation of {schemes} random schemes: {rank_correlation:.2f}"
                     .format(**result["correlation"]))  # fmt: skip
    return "\n".join(lines)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Accuracy against RAM, a panel for each precision; the line joins the schemes that none with
    less RAM beats."""
    figure = Figure(figsize=(5.2 * len(results), 4), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for axes, result in zip(panels, results, strict=True):
        kinds: dict[str, list[tuple[float, float]]] = {}
        for row in result["rows"]:
            point = row["ram_bytes"] / 1024, 100 * row["accuracy"]
            kinds.setdefault(row["method"].split(",")[0], []).append(point)
        for kind, points in kinds.items():
            axes.plot(*zip(*points, strict=True), "o", label=kind, markersize=4)
        axes.plot(*zip(*_front(kinds), strict=True), "-", color="0.7", linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.set_xlabel("RAM of the planned trainer, KB")
        axes.set_title(f"{result['task']}, {result['precision']}")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy on the test part, %")
    panels[-1].legend(frameon=False, fontsize=7)
    figure.savefig(path)


def _front(kinds: dict[str, list[tuple[float, float]]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for ram, accuracy in sorted(point for points in kinds.values() for point in points):
        if not found or accuracy > found[-1][1]:
            found.append((ram, accuracy))
    return found
