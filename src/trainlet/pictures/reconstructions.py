"""The inputs of an audit above what the best attack recovered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainlet.privacy.results import Audit

MOST = 10
"""The examples that are drawn."""


def draw_reconstructions(found: Audit, path: str | Path) -> None:
    """Write an .svg or .png file: for each of the first examples the original, and what the best
    attack recovered, with its PSNR and its name."""
    best = found.best()
    shown = sorted(best)[:MOST]
    figure = Figure(figsize=(1 + 1.5 * len(shown), 4), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    for column, k in zip(axes.T, shown, strict=True):
        _draw(column[0], found.truth[k], found.low, found.high)
        _draw(column[1], found.recovered[k], found.low, found.high)
        row = best[k]
        column[0].set_title(f"example {k}", fontsize=8)
        column[1].set_title(f"{row.psnr_db:.1f} dB\n{row.share}\n{row.attack}", fontsize=8)
    axes[0][0].set_ylabel("original")
    axes[1][0].set_ylabel("recovered")
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, x: NDArray, low: float, high: float) -> None:
    """A picture of three channels, a map of one, or curves."""
    axes.set_xticks([])
    axes.set_yticks([])
    if x.ndim == 3 and x.shape[0] in (1, 3):
        scaled = ((x - low) / (high - low)).clip(0, 1).transpose(1, 2, 0)
        axes.imshow(scaled if x.shape[0] == 3 else scaled[..., 0], cmap="gray", vmin=0, vmax=1)
        return
    curves = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)
    axes.plot(np.arange(curves.shape[1]), curves[:4].T, lw=0.8)
    axes.set_ylim(low, high)
