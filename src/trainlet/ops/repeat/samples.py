"""Loops on which the catalogue runs `repeat`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Sample, build, float32, leaf
from trainlet.ops.repeat.body import body_of

Turn = Callable[..., tuple[Sequence[Node], Sequence[Node]]]
"""(states, slices and fixed inputs, one after another) -> the states after the turn, what is
stacked"""


def _sample(
    turn: Turn,
    count: int,
    states: Sequence[TensorType],
    slices: Sequence[TensorType],
    fixed: Sequence[TensorType],
    **attrs,
) -> Sample:
    kinds = (*states, *slices, *fixed)
    leaves = [leaf("input", f"x{k}", t) for k, t in enumerate(kinds)]
    after, each = turn(*leaves)
    edge = len(states), len(states) + len(slices)
    body = body_of(leaves[: edge[0]], leaves[edge[0] : edge[1]], leaves[edge[1] :], after, each)
    given = [t for k, t in enumerate(states) if k not in attrs.get("zeros", ())]
    stacks = [t.with_shape((count, *t.shape)) for t in slices]
    return Sample((*given, *stacks, *fixed), {"body": body, "count": count, **attrs})


def _plain(h: Node, x: Node, w: Node, b: Node) -> tuple[list[Node], list[Node]]:
    return [build("tanh", build("add", x, build("linear", h, w, b)))], []


def _gated(c: Node, h: Node, x: Node, w: Node, p: Node) -> tuple[list[Node], list[Node]]:
    """Two states, one of which is not stacked; a vector that scales; values stacked on the way."""
    pre = build("add", x, build("linear", h, w))
    gate = build("sigmoid", build("slice", pre, axis=1, start=0, stop=3))
    new = build("tanh", build("slice", pre, axis=1, start=3, stop=6))
    after = build("add", build("mul", gate, c), build("mul", new, p))
    return [after, build("mul", gate, after)], [gate, x]


def _sums(s: Node, x: Node) -> tuple[list[Node], list[Node]]:
    """A state that is its own slice's sum, and one value with two places."""
    total = build("add", s, x)
    return [total], [total]


_RECURRENT = (float32(4, 4), float32(4))
SAMPLES = [
    _sample(_plain, 5, [float32(2, 4)], [float32(2, 4)], _RECURRENT, stacked=(0,)),
    _sample(_plain, 4, [float32(1, 4)], [float32(1, 4)], _RECURRENT, stacked=(0,), reverse=True),
    _sample(_plain, 3, [float32(1, 4)], [float32(1, 4)], _RECURRENT, zeros=(0,), stacked=(0,),
            last=(0,)),
    _sample(_gated, 4, [float32(2, 3)] * 2, [float32(2, 6)], [float32(6, 3), float32(3)],
            zeros=(1,), stacked=(0, 1)),
    _sample(_gated, 1, [float32(1, 3)] * 2, [float32(1, 6)], [float32(6, 3), float32(3)],
            reverse=True, stacked=(0, 1)),
    _sample(_sums, 3, [float32(2, 2)], [float32(2, 2)], [], stacked=(0,)),
]  # fmt: skip
