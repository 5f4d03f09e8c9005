"""What the few-shot demo draws: the drawings that taught the device, and its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from trainlet.demo.few_shot import Taught
from trainlet.demo.handwriting import SHOTS, WAYS, Lesson

RIGHT, WRONG = "#2ca25f", "#d7301f"
NAMES = "ABCDEFGHIJ"


def draw_lesson(path: Path, given: Lesson, taught: Taught) -> None:
    """A row for each symbol: five drawings that were learnt, then the test drawings, each under
    the symbol that the device takes it for."""
    test = given.test
    tested = int(np.bincount(test.y).max())
    figure = Figure(figsize=(0.62 * (SHOTS + tested + 1), 0.8 * WAYS + 0.7), layout="constrained")
    width = [1.0] * SHOTS + [0.4] + [1.0] * tested
    axes = figure.subplots(WAYS, SHOTS + 1 + tested, width_ratios=width)
    for one in axes.flat:
        one.set_axis_off()
    for k in range(WAYS):
        for at, x in enumerate(given.learn.x[given.learn.y == k]):
            _draw(axes[k, at], x, NAMES[k], "black")
        rows = np.flatnonzero(test.y == k)
        for at, row in enumerate(rows, SHOTS + 1):
            guessed = taught.learnt.guessed[row]
            _draw(axes[k, at], test.x[row], NAMES[guessed], RIGHT if guessed == k else WRONG)
    figure.suptitle(
        f"Left: five drawings of each new symbol. Right: others, as the device names them; "
        f"{taught.learnt.accuracy:.0%} right.", fontsize=9,
    )  # fmt: skip
    figure.savefig(path, dpi=150)


def _draw(axes, x: np.ndarray, name: str, colour: str) -> None:
    axes.imshow(1 - x[0], cmap="gray", vmin=0, vmax=1)
    axes.set_title(name, color=colour, fontsize=8, pad=1)
