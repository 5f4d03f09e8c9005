"""Operators that copy elements to other places, by one rule: torch itself tells from where.

The operator is applied to the numbers 0, 1, 2, .. in the shape of its input.  Where the result
takes slices along single dimensions, it is a slice or a gather along these; otherwise a gather of
single elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node

MOST_ELEMENTS = 1 << 24
"""Up to which float32 numbers every element."""


def moved(name: str) -> Builder:
    """The builder of the operator `name`; all that it is given beside x must be known."""
    operator: Any = getattr(torch.ops.aten, name)

    def build(at: Importer, x: Node, *args: Any) -> Node:
        def known(value: Any) -> Any:
            if not isinstance(value, Node):
                return value
            if value not in at.tensors:
                raise UnsupportedError("an index that is computed; allowed: constants")
            return at.tensors[value]

        given = tree_map(known, args, is_leaf=lambda v: isinstance(v, Node))
        return gathered(at, x, operator(_numbered(x.type.shape), *given).numpy())

    return build


def _numbered(shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers as float32: not every operator moves integers."""
    size = prod(shape)
    if size > MOST_ELEMENTS:
        raise UnsupportedError(f"{size} elements; allowed: {MOST_ELEMENTS}")
    return torch.arange(size, dtype=torch.float32).reshape(shape)


def gathered(at: Importer, x: Node, sources: np.ndarray) -> Node:
    """A tensor of the elements of x whose numbers are `sources`."""
    sources = sources.astype(np.int64)
    lead = sources.ndim - x.type.rank
    if lead > 0:
        x = at.reshape(x, (1,) * lead + x.type.shape)
    slices = _slices(x.type.shape, sources) if lead >= 0 else None
    if slices is None:
        return _elements(at, x, sources)
    changed = [k for k, own in enumerate(slices) if not np.array_equal(own, range(len(own)))
               or len(own) != x.type.shape[k]]  # fmt: skip
    indexed = []
    for axis in changed:
        part = _as_slice(slices[axis])
        if part is None:
            indexed.append(axis)
        else:
            x = at.build("slice", x, axis=axis, start=part[0], stop=part[1], step=part[2])
    for k in range(0, len(indexed), 2):
        axes = tuple(indexed[k : k + 2])
        x = gather(at, x, axes, [slices[axis] for axis in axes])
    return x


def _slices(shape: tuple[int, ...], sources: np.ndarray) -> list[np.ndarray] | None:
    """For each dimension the slices that are taken along it; None if elements are."""
    places = np.unravel_index(sources, shape)
    found = []
    for axis, place in enumerate(places):
        along = np.moveaxis(place, axis, 0).reshape(place.shape[axis], -1)
        if (along != along[:, :1]).any():
            return None
        found.append(along[:, 0])
    return found


def _as_slice(index: np.ndarray) -> tuple[int, int, int] | None:
    """(start, stop, step) of an index that goes up in equal steps."""
    steps = np.diff(index)
    step = int(steps[0]) if len(steps) else 1
    if step < 1 or (steps != step).any():
        return None
    return int(index[0]), int(index[-1]) + 1, step


def _elements(at: Importer, x: Node, sources: np.ndarray) -> Node:
    """By elements, of which the leading and trailing dimensions that stay as they are make one."""
    shape, rank = x.type.shape, min(x.type.rank, sources.ndim)
    sides = [(lead, count - lead) for count in range(rank, -1, -1) for lead in range(count, -1, -1)]
    for lead, trail in sides:
        index = _middle(shape, sources, lead, trail)
        if index is not None:
            first, last = prod(shape[:lead]), prod(shape[len(shape) - trail :])
            flat = at.reshape(x, (first, x.type.size // first // last, last))
            return at.reshape(gather(at, flat, (1,), [index]), sources.shape)
    raise AssertionError("without leading and trailing dimensions every gather is one")


def _middle(
    shape: tuple[int, ...], sources: np.ndarray, lead: int, trail: int
) -> np.ndarray | None:
    """The index along all but `lead` leading and `trail` trailing dimensions, if these stay."""
    first, last = prod(shape[:lead]), prod(shape[len(shape) - trail :])
    end = sources.ndim - trail
    if sources.shape[:lead] != shape[:lead] or sources.shape[end:] != shape[len(shape) - trail :]:
        return None
    view = sources.reshape(first, -1, last)
    index, rest = np.divmod(view[0, :, 0], last)
    many = prod(shape) // first // last
    expected = np.arange(first)[:, None, None] * many + index[:, None]
    whole = expected * last + np.arange(last)
    return index if not rest.any() and np.array_equal(view, whole) else None


def gather(at: Importer, x: Node, axes: tuple[int, ...], slices: list[np.ndarray]) -> Node:
    """The slices of x along one or two axes."""
    for axis, own in zip(axes, slices, strict=True):
        size = x.type.shape[axis]
        if not len(own):
            raise UnsupportedError("an index without elements")
        if own.min() < -size or own.max() >= size:
            raise UnsupportedError(f"an index in {own.min()}..{own.max()} of {size} slices")
    whole = [own % x.type.shape[axis] for axis, own in zip(axes, slices, strict=True)]
    index = at.index(np.concatenate(whole), f"{at.label}.index")
    copies = prod(int(np.unique(own, return_counts=True)[1].max()) for own in whole)
    many = tuple(map(len, whole))
    return at.build("gather", x, index, axes=axes, many=many, copies=copies)


COPIES = (
    "flip fliplr flipud roll rot90 repeat tile index_select index take take_along_dim diagonal "
    "unfold upsample_nearest1d upsample_nearest2d "
    "_upsample_nearest_exact1d _upsample_nearest_exact2d reflection_pad1d reflection_pad2d "
    "replication_pad1d replication_pad2d _pad_circular"
).split()

for _name in COPIES:
    aten(_name)(moved(_name))


@aten("repeat_interleave")
def _repeat_interleave(
    at: Importer, x: Node, many: int | Node, axis: int | None, size: int | None
) -> Any:
    """size: of the result, known to the caller."""
    return moved("repeat_interleave")(at, x, many, axis)


@aten("gather")
def _gather(at: Importer, x: Node, axis: int, index: Node, sparse: bool) -> Any:
    return moved("gather")(at, x, axis, index)


@aten("im2col")
def _im2col(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Any:
    for axis, many in enumerate(padding, x.type.rank - 2):
        if many:
            size = x.type.shape[axis] + 2 * many
            x = at.build("pad_strided", x, axis=axis, start=many, size=size, step=1)
    return moved("im2col")(at, x, kernel, dilation, (0, 0), stride)


@aten("embedding")
def _embedding(
    at: Importer, w: Node, index: Node, padding: int, by_frequency: bool, sparse: bool
) -> Node:
    """The row `padding` is read, and never learns."""
    if by_frequency:
        raise UnsupportedError("scale_grad_by_freq=True; allowed: False")
    rows, width = w.type.shape
    if padding >= 0:
        own = (np.arange(rows) == padding).astype(np.float32)[:, None]
        mask = at.const(own, f"{at.label}.padding")
        fixed = at.build("detach", at.build("where_true", mask, w))
        w = at.build("add", at.build("where_false", mask, w), fixed)
    shape = (*index.type.shape, width)
    if index in at.tensors:
        known = at.tensors[index].numpy().reshape(-1)
        return at.reshape(gather(at, w, (0,), [known]), shape)
    many = index.type.size
    flat = at.reshape(index, (many,))
    y = at.build("gather", w, flat, axes=(0,), many=(many,), copies=many)
    return at.reshape(y, shape)
