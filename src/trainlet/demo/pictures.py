"""What the demo draws: the falling loss, and the trainer's memory over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import trainlet as tl
from trainlet.demo.personalise import Learnt, Lesson
from trainlet.pictures.memory import draw_memory

KINDS = (".svg", ".png")
MEMORY_TITLE = "Memory of one training step of the keyword spotter (Cortex-M7)"
FLOOR = 1e-3  # a loss below it is as good as none


def draw_pictures(
    folder: Path, program: tl.CompiledProgram, given: Lesson, learnt: Learnt
) -> list[Path]:
    """loss and memory, each as SVG and PNG, in `folder`."""
    for kind in KINDS:
        draw_loss(folder / f"loss{kind}", given, learnt)
        draw_memory(program.report, folder / f"memory{kind}", MEMORY_TITLE)
    return [folder / f"{name}{kind}" for name in ("loss", "memory") for kind in KINDS]


def draw_loss(path: Path, given: Lesson, learnt: Learnt) -> None:
    """The loss of every step, and its mean over each pass through the clips."""
    losses, length = np.array(learnt.losses), learnt.steps_per_epoch
    steps = np.arange(1, len(losses) + 1)
    means = losses.reshape(-1, length).mean(1)
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
        f"Learning speaker {given.speaker} on the device: {learnt.accuracy_before:.1%} of "
        f"{len(given.test)} other clips right before, {learnt.accuracy_after:.1%} after",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
