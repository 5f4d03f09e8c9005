"""Tensors of one value, and tensors of which a part is another tensor's.

The functional form of writes into slices is made of these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.conditions import filled
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node


def _full(at: Importer, shape: Sequence[int], value: float) -> Node:
    return at.const(np.full(shape, value, np.float32), f"{at.label}.full")


@aten("zeros_like", "zero", "empty_like")
def _zeros_like(at: Importer, x: Node) -> Node:
    """What stands in memory that nobody wrote is not defined: zeros will do."""
    return _full(at, x.type.shape, 0)


@aten("ones_like")
def _ones_like(at: Importer, x: Node) -> Node:
    return _full(at, x.type.shape, 1)


@aten("full_like")
def _full_like(at: Importer, x: Node, value: float) -> Node:
    return _full(at, x.type.shape, number(value, "the value"))


@aten("new_zeros", "new_empty")
def _new_zeros(at: Importer, x: Node, shape: Sequence[int]) -> Node:
    return _full(at, shape, 0)


@aten("new_ones")
def _new_ones(at: Importer, x: Node, shape: Sequence[int]) -> Node:
    return _full(at, shape, 1)


@aten("new_full")
def _new_full(at: Importer, x: Node, shape: Sequence[int], value: float) -> Node:
    return _full(at, shape, number(value, "the value"))


@aten("fill")
def _fill(at: Importer, x: Node, value: Node | float) -> Node:
    return _copy(at, x, value) if isinstance(value, Node) else _full_like(at, x, value)


@aten("copy")
def _copy(at: Importer, x: Node, source: Node) -> Node:
    shape = x.type.shape
    same = source.type.shape == shape
    return source if same else at.build("broadcast_to", source, shape=shape)


@aten("slice_scatter")
def _slice_scatter(
    at: Importer,
    x: Node,
    part: Node,
    axis: int,
    start: int | None,
    stop: int | None,
    step: int,
) -> Node:
    """x with x[start:stop:step] along the axis replaced by `part`."""
    axis, size = axis % x.type.rank, x.type.shape[axis]
    chosen = range(size)[slice(start, stop, step)]
    if len(chosen) == size:
        return part
    if not chosen:
        return x
    if step != 1:
        keep = np.ones(size, np.float32)
        keep[chosen.start : chosen.stop : step] = 0
        along = keep.reshape([-1 if k == axis else 1 for k in range(x.type.rank)])
        rest = at.build("mul", x, at.const(along, f"{at.label}.kept"))
        attrs = {"axis": axis, "start": chosen.start, "size": size, "step": step}
        return at.build("add", rest, at.build("pad_strided", part, **attrs))
    joined = part
    if chosen.start > 0:
        before = at.build("slice", x, axis=axis, start=0, stop=chosen.start, step=1)
        joined = at.build("concat", before, joined, axis=axis)
    if chosen.stop < size:
        after = at.build("slice", x, axis=axis, start=chosen.stop, stop=size, step=1)
        joined = at.build("concat", joined, after, axis=axis)
    return joined


@aten("select_scatter")
def _select_scatter(at: Importer, x: Node, part: Node, axis: int, index: int) -> Node:
    """x with x[index] along the axis replaced by `part`."""
    axis, index = axis % x.type.rank, index % x.type.shape[axis]
    shape = [1 if k == axis else n for k, n in enumerate(x.type.shape)]
    return _slice_scatter(at, x, at.reshape(part, shape), axis, index, index + 1, 1)


@aten("index_put", "_unsafe_index_put")
def _index_put(
    at: Importer, x: Node, indices: Sequence[Node | None], values: Node, accumulate: bool
) -> Node:
    """x with constants at constant places."""
    places = [None if i is None else at.tensors.get(i) for i in indices]
    known = at.tensors.get(values)
    missing = [p is None and i is not None for p, i in zip(places, indices, strict=True)]
    if known is None or accumulate or any(missing):
        raise UnsupportedError(
            "writing by index; allowed: constants at constant places (a slice takes any tensor)"
        )
    chosen = torch.zeros(x.type.shape, dtype=torch.bool)
    written = torch.zeros(x.type.shape)
    torch.ops.aten.index_put_(chosen, places, torch.tensor(True))
    torch.ops.aten.index_put_(written, places, known.float())
    rest = filled(at, x, ~chosen.numpy())
    return at.build("add", rest, at.const(written.numpy(), f"{at.label}.put"))
