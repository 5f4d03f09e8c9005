"""When the result of a loop may lie on the slices that it reads."""

from collections.abc import Callable

import pytest

from trainlet.ir.graph import Node
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import Loop
from trainlet.ops.repeat.placement import place

Turn = Callable[[Node, Node], tuple[Node, Node]]


def loop(turn: Turn) -> Loop:
    """turn: (state, slice) -> the state after a turn, what is stacked."""
    s, x = (leaf("input", name, float32(1, 4)) for name in "sx")
    after, each = turn(s, x)
    return Loop(body_of([s], [x], [], [after], [each]), 3)


def late(s: Node, x: Node) -> tuple[Node, Node]:
    return build("add", s, x), build("tanh", x)


def early(s: Node, x: Node) -> tuple[Node, Node]:
    read = build("tanh", x)
    return build("add", s, read), build("mul", read, s)


@pytest.mark.parametrize(("turn", "expected"), [(late, ()), (early, (1,))])
def test_only_behind_the_last_reader_of_a_slice(turn, expected):
    assert place(loop(turn)).in_place == expected
