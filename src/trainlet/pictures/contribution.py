"""Gains of the biases of the last layers, and of each layer's weight."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainlet.ir.printable import printable
from trainlet.schemes.contribution import Contribution

COLOURS = ("#c6dbef", "#9ecae1", "#4292c6", "#084594")
LABEL = 24  # characters of a name


def draw_contribution(found: Contribution, path: str | Path) -> None:
    """Write an .svg or .png file; a line shows one standard deviation over the runs."""
    layers = len(found.layers.body)
    figure = Figure(figsize=(6 + 0.45 * layers, 4.5), layout="constrained")
    biases, weights = figure.subplots(1, 2, width_ratios=(1, 2), sharey=True)
    _bias_axes(biases, found)
    _weight_axes(weights, found)
    figure.savefig(path, dpi=150)


def _bias_axes(axes: Axes, found: Contribution) -> None:
    gains = [100 * gain.mean for gain in found.biases.values()]
    spread = [100 * gain.spread for gain in found.biases.values()]
    axes.errorbar(list(found.biases), gains, spread, fmt="o-", color=COLOURS[2], elinewidth=0.8)
    axes.set_xlabel("biases of the last k layers")
    axes.set_ylabel("gain in points of accuracy")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _weight_axes(axes: Axes, found: Contribution) -> None:
    shares = sorted({share for _, share in found.weights})
    width = 0.8 / max(1, len(shares))
    for k, share in enumerate(shares):
        own = {layer: gain for (layer, r), gain in found.weights.items() if r == share}
        at = [layer + (k - (len(shares) - 1) / 2) * width for layer in own]
        axes.bar(
            at, [100 * gain.mean for gain in own.values()], width,
            yerr=[100 * gain.spread for gain in own.values()], label=f"{share:g}",
            color=COLOURS[k % len(COLOURS)], error_kw={"linewidth": 0.6},
        )  # fmt: skip
    names = [printable(layer.name, LABEL) for layer in found.layers.body]
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0, fontsize=7)
    axes.set_xlabel("weights of one layer, over the biases from it on")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="share of its input channels", frameon=False, fontsize=8)
