"""Memory over time: what lies in RAM during one training step, against the target's RAM."""

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
COLOURS = {FORWARD: "#9bd3f2", KEPT: "#e69f00", BACKWARD: "#7fcdbb", OLD: "#dda6c4"}
ALWAYS = {"trained parameters": "#a6a6a6", "optimiser's state": "#c4c4c4", "stack": "#e3e3e3"}
ARENA, FREE, BUDGET = "#56b4e9", "#ffffff", "#d55e00"
SIZE = 7.5  # points of a label
POINTS = 72.0  # of an inch


def draw_memory(report: Report, path: str | Path, title: str = "") -> None:
    """Write an .svg or .png file.  On top the parts of the target's RAM.  Below, each buffer of the
    arena is a rectangle: from left to right the operations during which it is alive, from bottom
    to top its bytes.  So are the old values that a step keeps until it knows that no update has
    overflowed.  The trained parameters, which are always there, lie above the arena."""
    title = title or f"Memory of one training step ({printable(report.target)})"
    figure = Figure(figsize=(10, 7), layout="constrained")
    bar, axes = figure.subplots(2, 1, height_ratios=(1, 12))
    figure.suptitle(title, parse_math=False)
    ram_axes(bar, report)
    handles, names = memory_axes(axes, report.plan, _top(report))
    always = always_axes(axes, report)
    handles += [Rectangle((0, 0), 1, 1, fc=colour) for colour in always.values()]
    figure.legend(handles, [*names, *always], loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=150)


def ram_axes(axes: Axes, report: Report) -> None:
    """One bar: the arena and what lies beside it, and what is free of the target's RAM."""
    parts = {"arena": (report.arena_bytes, ARENA), **_always(report)}
    start = 0.0
    for nbytes, colour in parts.values():
        axes.add_patch(Rectangle((start, 0), nbytes / KIB, 1, fc=colour, ec="black", lw=0.5))
        start += nbytes / KIB
    limit = report.ram_limit
    whole = start if limit is None else max(limit / KIB, start)
    axes.add_patch(Rectangle((start, 0), whole - start, 1, fc=FREE, ec="black", lw=0.5))
    of = "" if limit is None else f" of {limit / KIB:,.0f}"
    sizes = ", ".join(f"{name} {nbytes / KIB:,.1f}" for name, (nbytes, _) in parts.items())
    axes.set_title(f"RAM {report.ram_bytes / KIB:,.1f}{of} KB: {sizes}", fontsize=9, loc="left")
    axes.set_xlim(0, max(whole, 1e-3))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.tick_params(labelsize=8)


def always_axes(axes: Axes, report: Report) -> dict[str, str]:
    """Bands above the arena for what lies in RAM all the time; returns their names and colours."""
    end, start = axes.get_xlim()[1], report.arena_bytes / KIB
    found = _always(report)
    for name, (nbytes, colour) in found.items():
        axes.add_patch(Rectangle((0, start), end, nbytes / KIB, fc=colour, ec="white", lw=0.5))
        if nbytes > report.ram_bytes / 25:
            middle = (end / 2, start + nbytes / KIB / 2)
            axes.annotate(name, middle, ha="center", va="center", fontsize=SIZE + 1)
        start += nbytes / KIB
    limit = report.ram_limit
    if limit is not None and limit / KIB < _top(report):
        axes.axhline(limit / KIB, color=BUDGET, lw=1.5)
        axes.annotate(f"RAM of the target: {limit / KIB:,.0f} KB", (0, limit / KIB), (3, 3),
                      textcoords="offset points", color=BUDGET, fontsize=8)  # fmt: skip
    return {name: colour for name, (_, colour) in found.items()}


def _top(report: Report) -> float:
    """The highest KB to show: of what is used, or of the target's RAM where that is not far."""
    used, limit = report.ram_bytes / KIB, (report.ram_limit or 0) / KIB
    return max(1.06 * limit if limit < 1.3 * used else 0.0, 1.02 * used, 1e-3)


def _always(report: Report) -> dict[str, tuple[int, str]]:
    sizes = (report.parameter_bytes, report.state_bytes, report.stack_bytes or 0)
    given = zip(ALWAYS.items(), sizes, strict=True)
    return {name: (nbytes, colour) for (name, colour), nbytes in given if nbytes}


def fitted(text: str, width: float, height: float) -> tuple[str, float] | None:
    """The text, in one line or two, and its angle, so that it fits into points; None if it cannot.

    The layer's name, which comes last, is what remains if there is no room for more.
    """
    op, _, name = text.partition(" ")
    for angle, across, up in ((0.0, width, height), (90.0, height, width)):
        for shown in (text, f"{name}\n{op}" if name else op, op if name.isdigit() else name or op):
            lines = shown.split("\n")
            if (
                max(map(len, lines)) * 0.53 * SIZE < across - 1
                and len(lines) * 1.25 * SIZE < up - 2
            ):
                return shown, angle
    return None


def memory_axes(
    axes: Axes, plan: Plan, top: float | None = None
) -> tuple[list[Rectangle], list[str]]:
    """Draw into given axes, which show `top` KB or the arena; returns what a legend needs."""
    top = plan.arena / KIB * 1.05 if top is None else top
    end = max(plan.moment.values(), default=0) + 1
    seeded = (plan.moment[n] for n in plan.order if any(i.op == "seed" for i in n.inputs))
    backward = min(seeded, default=end)
    across, up = _points(axes, end, top)

    def draw(span: tuple[int, int], start: int, nbytes: int, kind: str, name: str) -> None:
        first, last = max(span[0], 0), span[1]
        corner, width, height = (first, start / KIB), last - first + 1, nbytes / KIB
        axes.add_patch(Rectangle(corner, width, height, fc=COLOURS[kind], ec="white", lw=0.3))
        if found := fitted(name, width * across, height * up):
            middle = (first + width / 2, (start + nbytes / 2) / KIB)
            axes.annotate(found[0], middle, ha="center", va="center", fontsize=SIZE,
                          rotation=found[1], parse_math=False)  # fmt: skip

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
    axes.set_ylim(0, max(top, 1e-3))
    axes.set_xlabel("operation (dotted line: the backward pass begins)")
    axes.set_ylabel("address, KB (dashed: lower bound)")
    handles = [Rectangle((0, 0), 1, 1, fc=c) for c in COLOURS.values()]
    return handles, list(COLOURS)


def _points(axes: Axes, wide: float, high: float) -> tuple[float, float]:
    """Points of the paper for a unit of x and of y, if the axes show so much."""
    box, figure = axes.get_position(), axes.get_figure(root=True)
    assert figure is not None
    across, up = figure.get_size_inches() * POINTS
    return across * box.width / max(wide, 1), up * box.height / max(high, 1e-3)
