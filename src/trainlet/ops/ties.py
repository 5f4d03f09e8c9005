"""Which axes of an operator's inputs and of its result belong together: the same permutation of the
slices along all of them changes nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from trainlet.ir.graph import Node

RESULT = -1
Tie = tuple[tuple[int, int], ...]
"""(position of an input, or RESULT; an axis of that tensor), of each tensor that takes part."""


def elementwise(n: Node, positions: Iterable[int] | None = None) -> Iterator[Tie]:
    """Every axis, of these inputs (by default all), which align as NumPy's do; those of size 1 are
    repeated."""
    own = range(len(n.inputs)) if positions is None else list(positions)
    for axis in range(-n.type.rank, 0):
        yield _along(n, own, axis)


def last_axis(n: Node) -> Iterator[Tie]:
    """The channels of the first input."""
    yield _along(n, [0], -1)


def except_along(axes: Iterable[int], n: Node) -> Iterator[Tie]:
    """The axes of the first input that the result has too, without these."""
    mixed = {axis % n.type.rank for axis in axes}
    for axis in range(n.type.rank):
        if axis not in mixed:
            yield _along(n, [0], axis - n.type.rank)


def reshaped(n: Node) -> Iterator[Tie]:
    """Axes that a reshape keeps as they are; axes of size 1 come and go."""
    old, new = n.inputs[0].type.shape, n.type.shape
    places = {prod(old[axis:]): axis for axis in range(len(old)) if old[axis] != 1}
    for axis, size in enumerate(new):
        source = places.get(prod(new[axis:]))
        if size != 1 and source is not None and old[source] == size:
            yield ((RESULT, axis), (0, source))


def permuted(n: Node) -> Iterator[Tie]:
    """All axes, each in its new place."""
    for axis, source in enumerate(n.attrs["permutation"]):
        yield ((RESULT, axis), (0, source))


def _along(n: Node, positions: Iterable[int], axis: int) -> Tie:
    size = n.type.shape[axis]
    inputs = (
        (k, n.inputs[k].type.rank + axis)
        for k in positions
        if n.inputs[k].type.rank >= -axis and n.inputs[k].type.shape[axis] == size
    )
    return ((RESULT, n.type.rank + axis), *inputs)
