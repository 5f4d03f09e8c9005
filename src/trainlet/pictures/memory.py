"""Memory over time: the buffers of the arena during one training step."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trainlet.ir.printable import printable
from trainlet.planning.plan import Plan
from trainlet.planning.report import KIB, Report, label

FORWARD, KEPT, BACKWARD = "forward", "kept for the backward pass", "backward"
OLD = "old values, restored if an update overflows"
COLOURS = {FORWARD: "#9ecae1", KEPT: "#fdae6b", BACKWARD: "#a1d99b", OLD: "#bcbddc"}


def draw_memory(report: Report, path: str | Path, title: str = "") -> None:
    """Write an .svg or .png file with each buffer of the arena as a rectangle: from left to right
    the operations during which it is alive, from bottom to top its bytes.  So are the old values
    that a step keeps until it knows that no update has overflowed."""
    title = title or f"Arena over one training step ({printable(report.target)})"
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    handles, names = memory_axes(axes, report.plan)
    axes.set_title(title, parse_math=False)
    figure.legend(handles, names, loc="outside lower center", ncols=len(COLOURS), fontsize=8)
    figure.savefig(path, dpi=150)


def memory_axes(axes: Axes, plan: Plan) -> tuple[list[Rectangle], list[str]]:
    """Draw into given axes; returns what a legend needs."""
    end = max(plan.moment.values(), default=0) + 1
    seeded = (plan.moment[n] for n in plan.order if any(i.op == "seed" for i in n.inputs))
    backward = min(seeded, default=end)

    def draw(span: tuple[int, int], start: int, nbytes: int, kind: str, name: str) -> None:
        first, last = max(span[0], 0), span[1]
        corner, width, height = (first, start / KIB), last - first + 1, nbytes / KIB
        axes.add_patch(Rectangle(corner, width, height, fc=COLOURS[kind], ec="white", lw=0.3))
        if nbytes > plan.arena / 12 and width > end / 12:
            middle = (first + width / 2, (start + nbytes / 2) / KIB)
            axes.annotate(name, middle, ha="center", va="center", fontsize=6, parse_math=False)

    copies = plan.undo.copies if plan.undo else ()
    judged = plan.moment[plan.undo.last] if plan.undo else end
    swapped = {(c.start, plan.moment[c.update]) for c in copies if c.swapped}
    for n, (born, dies) in plan.live.items():
        taken = (at for start, at in swapped if start == plan.offset[n] and born < at <= dies)
        dies = min((at - 1 for at in taken), default=dies)  # the old value takes its place
        kind = FORWARD if dies < backward else KEPT if born < backward else BACKWARD
        draw((born, dies), plan.offset[n], plan.size[n], kind, label(n))
    for copy in copies:
        span, name = (plan.moment[copy.update], judged), f"old {label(copy.leaf)}"
        draw(span, copy.start, copy.leaf.type.nbytes, OLD, name)
    axes.axvline(backward, color="grey", lw=0.8, ls=":")
    axes.axhline(plan.lower_bound / KIB, color="black", lw=0.8, ls="--")
    axes.set_xlim(0, max(end, 1))
    axes.set_ylim(0, plan.arena / KIB * 1.05)
    axes.set_xlabel("operation (dotted: the backward pass begins)")
    axes.set_ylabel("address, KB (dashed: lower bound)")
    handles = [Rectangle((0, 0), 1, 1, fc=c) for c in COLOURS.values()]
    return handles, list(COLOURS)
