"""Memory over time: the buffers of the arena during one training step."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trainlet.ir.printable import printable
from trainlet.planning.plan import Plan
from trainlet.planning.report import KIB, Report, label


def draw_memory(report: Report, path: str | Path, title: str = "") -> None:
    """Write an .svg or .png file with each buffer of the arena as a rectangle: from left to right
    the operations during which it is alive, from bottom to top its bytes."""
    title = title or f"Arena over one training step ({printable(report.target)})"
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    handles, names = memory_axes(axes, report.plan)
    axes.set_title(title, parse_math=False)
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=150)


def memory_axes(axes: Axes, plan: Plan) -> tuple[list[Rectangle], list[str]]:
    """Draw into given axes; returns what a legend needs."""
    end = max(plan.moment.values(), default=0) + 1
    seeded = (plan.moment[n] for n in plan.order if any(i.op == "seed" for i in n.inputs))
    backward = min(seeded, default=end)
    colours = {"forward": "#9ecae1", "kept": "#fdae6b", "backward": "#a1d99b"}
    for n, (born, dies) in plan.live.items():
        kind = "backward" if born >= backward else "kept" if dies >= backward else "forward"
        size = plan.size[n] / KIB
        corner = (max(born, 0), plan.offset[n] / KIB)
        width = dies - max(born, 0) + 1
        axes.add_patch(Rectangle(corner, width, size, fc=colours[kind], ec="white", lw=0.3))
        if plan.size[n] > plan.arena / 12 and width > end / 12:
            middle = (corner[0] + width / 2, corner[1] + size / 2)
            axes.annotate(label(n), middle, ha="center", va="center", fontsize=6, parse_math=False)
    axes.axvline(backward, color="grey", lw=0.8, ls=":")
    axes.axhline(plan.lower_bound / KIB, color="black", lw=0.8, ls="--")
    axes.set_xlim(0, max(end, 1))
    axes.set_ylim(0, plan.arena / KIB * 1.05)
    axes.set_xlabel("operation (dotted: the backward pass begins)")
    axes.set_ylabel("address, KB (dashed: lower bound)")
    handles = [Rectangle((0, 0), 1, 1, fc=c) for c in colours.values()]
    return handles, ["forward", "kept for the backward pass", "backward"]
