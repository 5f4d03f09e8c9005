"""The loss of a training on this machine or a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

STEP, MEAN = "#9bd3f2", "#d55e00"


def draw_losses(
    losses: Sequence[float], length: int, path: str | Path, title: str, first: int = 1
) -> None:
    """Write an .svg or .png file: the loss of each step, and its mean over each pass.

    losses: one for each step, before its update; length: steps of a pass through the data; first:
    the number of the first of these steps, in a training that was continued
    """
    given = np.array(losses, float)
    steps = np.arange(first, first + len(given))
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, given, ".", color=STEP, ms=5, label="a step, before its update")
    passes = (steps - 1) // max(length, 1)
    for k in np.unique(passes):
        of, mean = steps[passes == k], float(given[passes == k].mean())
        axes.hlines(mean, of[0] - 0.5, of[-1] + 0.5, color=MEAN, lw=2,
                    label="mean of a pass" if k == passes[0] else "")  # fmt: skip
    axes.set_xlim(first - 0.5, first + max(len(given), 1) - 0.5)
    axes.set_ylim(bottom=min(0.0, float(given.min(initial=0.0))))
    axes.set_xlabel(f"training step ({length:,} steps are a pass through the data)")
    axes.set_ylabel("loss")
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    if len(given):
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=150)
