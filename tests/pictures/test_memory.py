"""The picture of the arena shows every buffer, and the old values that a step keeps."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import trainlet as tl
from plan.small import learning
from trainlet.pictures.memory import COLOURS, OLD, memory_axes
from trainlet.planning.report import KIB


def drawn(plan, colour: str) -> set[tuple[float, float, float, float]]:
    """First moment, first byte, moments and bytes of the rectangles of a colour."""
    axes = Figure().add_subplot()
    memory_axes(axes, plan)
    found = [p for p in axes.patches if isinstance(p, Rectangle)]
    found = [p for p in found if to_hex(p.get_facecolor()) == colour]
    return {(p.get_x(), p.get_y() * KIB, p.get_width(), p.get_height() * KIB) for p in found}


@pytest.mark.parametrize("optimizer", [tl.SGD(0.1), tl.SGD(0.1, momentum=0.9)], ids=str)
def test_old_values_are_drawn_until_the_last_update_is_judged(optimizer) -> None:
    plan = learning(optimizer=optimizer).plan
    assert plan.undo is not None and plan.undo.copies
    end = plan.moment[plan.undo.last] + 1
    expected = {
        (plan.moment[c.update], c.start, end - plan.moment[c.update], c.leaf.type.nbytes)
        for c in plan.undo.copies
    }
    assert drawn(plan, COLOURS[OLD]) == expected


def test_without_rollback_none_is_drawn() -> None:
    assert not drawn(learning(rollback=False).plan, COLOURS[OLD])


def test_no_two_rectangles_lie_on_each_other() -> None:
    plan = learning(optimizer=tl.SGD(0.1)).plan
    assert plan.undo is not None
    assert any(copy.swapped for copy in plan.undo.copies)  # an old value takes a gradient's place
    axes = Figure().add_subplot()
    memory_axes(axes, plan)
    boxes = [p.get_bbox() for p in axes.patches if isinstance(p, Rectangle)]
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            width = min(a.x1, b.x1) - max(a.x0, b.x0)
            height = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert width <= 0 or height <= 1e-9
