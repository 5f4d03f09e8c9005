"""What the demo draws: accuracy from day to day, the falling loss, and memory over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import trainlet as tl
from trainlet.demo.days import PASSES, TAUGHT, Given, Lived
from trainlet.demo.speech import NEW_WORD
from trainlet.pictures.memory import draw_memory

KINDS = (".svg", ".png")
MEMORY_TITLE = "Memory of one training step of the keyword spotter (Cortex-M7)"
FLOOR = 1e-3  # a loss below it is as good as none


def draw_pictures(folder: Path, program: tl.CompiledProgram, given: Given, found: Lived) -> None:
    """life, loss and memory, each as SVG and PNG, in `folder`."""
    for kind in KINDS:
        draw_life(folder / f"life{kind}", given, found)
        draw_loss(folder / f"loss{kind}", given, found)
        draw_memory(program.report, folder / f"memory{kind}", MEMORY_TITLE)


def draw_life(path: Path, given: Given, found: Lived) -> None:
    """The share of the test clips that were right, from day to day."""
    days = ["as delivered", "the speaker learnt"]
    known = [found.before, found.learnt]
    end = ["wrong words refused" if found.rolled_back else "wrong words learnt"]
    if found.survived is not None:
        end.insert(0, "power cut")
    if given.word is not None:
        end.append(f"{NEW_WORD!r} taught")
    days.append(",\n".join(end))
    known.append(found.after)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(3)
    series = [(places - 0.2, known, "#3182bd", f"the 12 words ({len(given.test)} clips)")]
    if given.word is not None:
        rest = len(given.word) - TAUGHT
        new = [found.word_before, found.word_before, found.word_after]
        series.append((places + 0.2, new, "#e6550d", f"{NEW_WORD!r} ({rest} clips)"))
    for at, shares, color, label in series:
        drawn = axes.bar(at, [100 * share for share in shares], 0.38, color=color, label=label)
        axes.bar_label(drawn, fmt="%.1f", padding=2)
    axes.set_xticks(places, days, fontsize=9)
    axes.set_ylim(0, 112)
    axes.set_ylabel("% of the test clips right")
    axes.set_title(f"A keyword spotter's days with {given.speaker}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", ncols=2)
    figure.savefig(path, dpi=150)


def draw_loss(path: Path, given: Given, found: Lived) -> None:
    """The loss of every step, and its mean over each pass through the clips."""
    losses = np.array(found.losses)
    length = len(losses) // PASSES
    steps = np.arange(1, len(losses) + 1)
    means = losses.reshape(PASSES, length).mean(1)
    edges = np.arange(len(means) + 1) * length + 0.5
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yscale("log")
    axes.plot(
        steps,
        np.maximum(losses, FLOOR),
        ".",
        color="#9ecae1",
        ms=5,
        label="one clip, before its update",
    )
    axes.stairs(means, edges, color="#d94801", lw=2, baseline=None, label="mean of a pass")
    for edge, mean in zip(edges, means, strict=False):
        axes.annotate(f"{mean:.2f}", (edge + length / 2, mean), (0, 4), textcoords="offset points",
                      ha="center", color="#d94801")  # fmt: skip
    axes.set_xlim(0, len(losses) + 1)
    axes.set_ylim(bottom=FLOOR * 0.8)
    axes.set_xlabel(f"training step ({len(means)} passes through {length} clips)")
    axes.set_ylabel(f"cross-entropy (below {FLOOR} drawn there)")
    axes.set_title(
        f"Learning speaker {given.speaker} on the device: {found.before:.1%} of "
        f"{len(given.test)} other clips right before, {found.learnt:.1%} after",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
