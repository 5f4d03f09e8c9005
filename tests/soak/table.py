"""The counts of a log: by option and outcome, refusals by their message, failures by their kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

RESULTS = ("equal", "kink", "refused", "failed")
SHOWN = ("precision", "gradient", "extra_bits", "float_head", "scheme", "loss", "optimizer",
         "accumulate", "target", "device", "compiler", "level", "tile", "stream", "ram_share",
         "given")  # fmt: skip
Record = dict[str, Any]


def table(records: Sequence[Record]) -> str:
    """Markdown."""
    lines = ["| option | networks | " + " | ".join(RESULTS) + " |", "|---|" + "---|" * 5]
    lines.append(_row("all", records))
    for option in SHOWN:
        values = Counter(str(r["options"][option]) for r in records)
        for value in sorted(values):
            chosen = [r for r in records if str(r["options"][option]) == value]
            lines.append(_row(f"{option} {value or 'host only'}", chosen))
    commits = Counter(r["commit"] for r in records)
    lines += ["", "Commits: " + ", ".join(f"{c} ({n})" for c, n in commits.items())]
    for result in ("refused", "failed"):
        lines += ["", f"{result}:", ""]
        lines += _kinds(records, lambda r, result=result: r["result"] == result)
    slowest = sorted(records, key=lambda r: -r["seconds"])[:5]
    lines += ["", "slowest: " + ", ".join(f"{r['number']} {r['seconds']:.0f} s" for r in slowest)]
    total = sum(r["seconds"] for r in records)
    lines.append(f"{total / max(len(records), 1):.2f} s a network on one core")
    return "\n".join(lines)


def _row(what: str, records: Sequence[Record]) -> str:
    counts = Counter(r["result"] for r in records)
    cells = [str(len(records)), *(str(counts[result]) for result in RESULTS)]
    return f"| {what} | " + " | ".join(cells) + " |"


def _kinds(records: Sequence[Record], chosen: Callable[[Record], bool]) -> list[str]:
    kinds = Counter(r["kind"] for r in records if chosen(r))
    first = {r["kind"]: r["number"] for r in reversed(records) if chosen(r)}
    return [f"- {n} x {kind} (network {first[kind]})" for kind, n in kinds.most_common()]
