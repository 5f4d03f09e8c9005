"""Rows as tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .study import METHODS, Row

REFERENCES = ("full", "sparse")
HEAD = ("method", "RAM, bytes", "MACs backward", "rate", "accuracy, %",
        *(f"against {name}, points" for name in REFERENCES))  # fmt: skip
MEAN = ("method", "networks", "RAM / sparse", "MACs / sparse", "accuracy, %", *HEAD[-2:])


def table(rows: Sequence[Row]) -> str:
    """Of one task and network.  The first +- is half of a 95 % confidence interval over episodes,
    the others those of the paired differences to full training and to static sparse."""
    by_name = {r["method"]: r for r in rows}
    counts = sorted({len(r["episodes"]) for r in rows})
    lines = [f"{rows[0]['task']}, {rows[0]['network']}, {' or '.join(map(str, counts))} episodes"]
    lines += _head(HEAD)
    for row in rows:
        found = [_paired(row, by_name[name]) if name in by_name else None for name in REFERENCES]
        cells = (
            row["method"], f"{row['ram_bytes']:,}", f"{row['macs_backward']:,}",
            f"{row['rate']:f}".rstrip("0").rstrip(".") if "rate" in row else "",
            f"{row['accuracy']:.1f} +- {row['interval']:.1f}",
            *("" if own is None else shown(own.mean(), _error(own)) for own in found),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def means(networks: Sequence[Sequence[Row]], by_task: bool = False) -> str:
    """Of each method over the networks that it and both references were measured with: accuracies
    and paired differences as arithmetic means, RAM and multiply-accumulates as geometric ones.

    by_task: the networks of a task together count as much as the one of another
    """
    every = [{row["method"]: row for row in own} for own in networks]
    complete = [own for own in every if all(name in own for name in REFERENCES)]
    return "\n".join([*_head(MEAN), *_means(complete, by_task)])


def _means(networks: Sequence[Mapping[str, Row]], by_task: bool) -> Iterator[str]:
    for name in METHODS:
        some = [own for own in networks if name in own]
        if not some:
            continue
        tasks = [own[name]["task"] for own in some]
        weights = np.array([1 / tasks.count(task) if by_task else 1.0 for task in tasks])
        weights /= weights.sum()
        cells = [name, str(len(some))]
        for cost in ("ram_bytes", "macs_backward"):
            ratios = np.array([own[name][cost] / own["sparse"][cost] for own in some])
            cells.append(f"{np.exp(weights @ np.log(ratios)) if ratios.all() else 0:.2f}")
        cells.append(f"{weights @ [own[name]['accuracy'] for own in some]:.1f}")
        for reference in REFERENCES:
            found = [_paired(own[name], own[reference]) for own in some]
            errors = weights * [_error(own) for own in found]
            cells.append(shown(weights @ [own.mean() for own in found], np.linalg.norm(errors)))
        yield f"| {' | '.join(cells)} |"


def _paired(row: Row, reference: Row) -> np.ndarray:
    """The differences in the episodes that both were measured in: the first ones."""
    both = min(len(row["episodes"]), len(reference["episodes"]))
    return np.subtract(row["episodes"][:both], reference["episodes"][:both])


def _error(found: np.ndarray) -> float:
    return float(found.std(ddof=1)) / len(found) ** 0.5


def _head(cells: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(cells)} |", "|---|" + "---:|" * (len(cells) - 1)]


def shown(mean: float | np.floating, error: float | np.floating) -> str:
    """With half of a 95 % confidence interval."""
    return f"{mean:+.1f} +- {1.96 * error:.1f}"
