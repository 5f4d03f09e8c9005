"""The picture of the arena shows every buffer, and the old values that a step keeps."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import trainlet as tl
from plan.small import learning
from trainlet.pictures.memory import COLOURS, OLD, draw_memory, fitted, memory_axes
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


def written(tmp_path, target) -> str:
    """The .svg of a small trainer's memory; it has a comment for each text."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
    program = tl.compile(model.eval(), torch.zeros(1, 64), "full", target=target)
    draw_memory(program.report, tmp_path / "memory.svg")
    return (tmp_path / "memory.svg").read_text()


def test_the_budget_and_what_is_always_there_are_drawn(tmp_path) -> None:
    text = written(tmp_path, tl.Target("cortex-m4", ram=22 * 1024))
    assert "of 22 KB: arena" in text and "RAM of the target: 22 KB" in text
    assert "<!-- trained parameters -->" in text


def test_a_target_without_a_limit_has_no_budget(tmp_path) -> None:
    text = written(tmp_path, "host")
    assert "RAM of the target" not in text and " KB: arena" in text


@pytest.mark.parametrize(
    "width, height, expected",
    [
        (200, 20, ("conv2d blocks.0.conv", 0.0)),
        (80, 30, ("blocks.0.conv\nconv2d", 0.0)),
        (30, 80, ("blocks.0.conv\nconv2d", 90.0)),
        (10, 10, None),
    ],
)
def test_a_label_is_shortened_or_turned_until_it_fits(width, height, expected) -> None:
    assert fitted("conv2d blocks.0.conv", width, height) == expected
