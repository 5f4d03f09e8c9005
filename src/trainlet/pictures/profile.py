"""A profile drawn: where the instructions go, and where the bytes go."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainlet.ir.printable import printable
from trainlet.pictures.memory import memory_axes
from trainlet.planning.report import KIB
from trainlet.run.counted import LEFT_OUT, PHASES, Profile

COLOURS = ("#9bd3f2", "#7fcdbb", "#dda6c4", "#bdbdbd")  # of PHASES
SHOWN = 14  # bars; smaller ones become one


def draw_profile(profile: Profile, path: str | Path) -> None:
    """Write an .svg or .png file: a bar an operator, stacked by phase, and memory over time.  The
    bars are instructions, or cycles where they were estimated.  The legends cover nothing."""
    figure = Figure(figsize=(15, 5.5), layout="constrained")
    bars, memory = figure.subplots(1, 2)
    instruction_axes(bars, profile)
    report = profile.report
    handles, names = memory_axes(memory, report.plan)
    memory.set_title(
        f"RAM {report.ram_bytes / KIB:,.1f} KB, of it arena {report.arena_bytes / KIB:,.1f} KB"
    )
    figure.legend(*bars.get_legend_handles_labels(), loc="outside lower left", ncols=4, fontsize=8)
    figure.legend(handles, names, loc="outside lower right", ncols=4, fontsize=8)
    figure.savefig(path, dpi=150)


def instruction_axes(axes: Axes, profile: Profile) -> None:
    """A bar an op, the longest on top: instructions, or estimated cycles."""
    ops = profile.by_op()
    names = sorted({op.op for op in ops}, key=lambda name: -_spent(profile, {name}))
    groups = [(name, {name}) for name in names[:SHOWN]]
    if rest := set(names[SHOWN:]):
        groups.append((f"{len(rest)} others", rest))
    start = [0.0] * len(groups)
    labels = [name for name, _ in groups]
    for phase, colour in zip(PHASES, COLOURS, strict=True):
        width = [_spent(profile, of, phase) / 1e6 for _, of in groups]
        axes.barh(labels, width, left=start, color=colour, label=phase)
        start = [a + b for a, b in zip(start, width, strict=True)]
    for k, (_, of) in enumerate(groups):
        macs = sum(op.macs for op in ops if op.op in of)
        per_mac = f" ({start[k] * 1e6 / macs:.2f} per MAC)" if macs else ""
        axes.annotate(f"{start[k]:,.2f}{per_mac}", (start[k], k), (3, 0),
                      textcoords="offset points", va="center", fontsize=7)  # fmt: skip
    axes.invert_yaxis()
    axes.margins(x=0.2)
    what, title = "million instructions of a step", (
        f"{profile.instructions_step:,} instructions a step, "
        f"{profile.instructions_predict:,} a prediction ({printable(profile.target)})"
    )  # fmt: skip
    if profile.mhz:
        what = "million cycles of a step, an estimate"
        title += f"\nabout {_estimated(profile):,.1f} M cycles a step ({LEFT_OUT} left out)"
    axes.set_xlabel(what)
    axes.set_title(title, parse_math=False)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _spent(profile: Profile, ops: set[str], phase: str | None = None) -> int:
    rows = (r for r in profile.rows if r.op in ops and phase in (None, r.phase))
    return sum((row.cycles or 0) if profile.mhz else row.instructions for row in rows)


def _estimated(profile: Profile) -> float:
    return (profile.cycles_step or 0) / 1e6
