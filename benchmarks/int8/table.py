"""The rows of the study as tables of text."""

from __future__ import annotations

import numpy as np

from .methods import METHODS

REFERENCE, DEFAULT = "float32", "bits8"
ALLOWED_MEAN, ALLOWED_TASK = 0.5, 1.0
Rows = list[dict]


def accuracies(rows: Rows, task: str, method: str, part: str = "test") -> np.ndarray:
    """Percent, a run each, in the order of the seeds."""
    found = {
        row["seed"]: 100 * row["accuracy"]
        for row in rows
        if (row["task"], row["method"], row["part"]) == (task, method, part)
    }
    return np.array([found[seed] for seed in sorted(found)])


def differences(rows: Rows, task: str, method: str) -> np.ndarray:
    """The method's runs minus those of float32, which saw the same samples in the same order."""
    mine, reference = (accuracies(rows, task, name) for name in (method, REFERENCE))
    runs = min(len(mine), len(reference))
    return mine[:runs] - reference[:runs]


def table(rows: Rows) -> str:
    """Mean and standard deviation over the runs, in percent; the last column is the mean
    difference to float32 over the tasks, with its standard error."""
    tasks = _names(rows, "task")
    head = ["method", *tasks, "mean", "to float32"]
    lines = [head, ["---"] * len(head)]
    for method in _names(rows, "method"):
        runs = [accuracies(rows, task, method) for task in tasks]
        cells = [f"{a.mean():.1f} ± {a.std(ddof=1):.1f}" if len(a) > 1 else "-" for a in runs]
        mean = difference = "-"
        if all(len(a) > 1 for a in runs):
            mean = f"{np.mean([a.mean() for a in runs]):.1f}"
        apart = [differences(rows, task, method) for task in tasks]
        if method != REFERENCE and all(len(d) > 1 for d in apart):
            difference = f"{np.mean([d.mean() for d in apart]):+.2f} ± {_error(apart):.2f}"
        lines.append([METHODS[method].title, *cells, mean, difference])
    lines.append(["before, float32", *_before(rows, tasks), "", ""])
    return _aligned(lines)


def rates(rows: Rows) -> str:
    """The learning rates that the validation part chose."""
    tasks = _names(rows, "task")
    lines = [["learning rate", *tasks], ["---"] * (len(tasks) + 1)]
    for method in _names(rows, "method"):
        chosen = {r["task"]: r["lr"] for r in rows if r["method"] == method and r["part"] == "test"}
        lines.append([METHODS[method].title, *(f"{chosen.get(t, '-')}" for t in tasks)])
    return _aligned(lines)


def verdict(rows: Rows) -> str:
    """Whether int8 + QAS with 8 extra bits keeps what was asked of it."""
    lines, means = [], []
    for task in _names(rows, "task"):
        d = differences(rows, task, DEFAULT)
        if len(d) < 2:
            continue
        means.append(d)
        word = "kept" if d.mean() >= -ALLOWED_TASK else "MISSED"
        lines.append(f"{task}: {d.mean():+.2f} ± {_error([d]):.2f} points, {word}")
    if means:
        mean = float(np.mean([d.mean() for d in means]))
        word = "kept" if mean >= -ALLOWED_MEAN else "MISSED"
        lines.append(f"mean over {len(means)} tasks: {mean:+.2f} ± {_error(means):.2f}, {word}")
    title = (
        f"8 extra bits against float32 (asked: -{ALLOWED_MEAN} on average, -{ALLOWED_TASK} each;"
        " ± is the standard error over the runs):"
    )
    return "\n  ".join([title, *lines])


def _error(parts: list[np.ndarray]) -> float:
    """The standard error of the mean over the parts of their means."""
    return float(np.sqrt(sum(d.var(ddof=1) / len(d) for d in parts))) / len(parts)


def _before(rows: Rows, tasks: list[str]) -> list[str]:
    runs = [accuracies(rows, task, REFERENCE, "before") for task in tasks]
    return [f"{a.mean():.1f}" if len(a) else "-" for a in runs]


def _names(rows: Rows, key: str) -> list[str]:
    found = dict.fromkeys(row[key] for row in rows)
    return [name for name in METHODS if name in found] if key == "method" else list(found)


def _aligned(lines: list[list[str]]) -> str:
    """Markdown that reads well unrendered."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    for line in lines:
        if line[0] == "---":
            line[:] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
