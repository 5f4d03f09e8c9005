"""Operators that move elements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np

from trainlet.frontends.aten.moves import moved
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node


@aten("flatten", moves=True)
def _flatten(at: Importer, x: Node, start: int, end: int) -> Node:
    shape = x.type.shape or (1,)
    start, end = start % len(shape), end % len(shape)
    return at.reshape(x, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


@aten("view", "reshape", "_unsafe_view", moves=True)
def _reshape(at: Importer, x: Node, shape: Sequence[int]) -> Node:
    known = prod(n for n in shape if n != -1)
    return at.reshape(x, [x.type.size // known if n == -1 else n for n in shape])


@aten("view_as", "reshape_as")
def _reshape_as(at: Importer, x: Node, like: Node) -> Node:
    return at.reshape(x, like.type.shape)


@aten("unflatten", moves=True)
def _unflatten(at: Importer, x: Node, axis: int, sizes: Sequence[int]) -> Node:
    axis %= x.type.rank
    known = prod(n for n in sizes if n != -1)
    parts = [x.type.shape[axis] // known if n == -1 else n for n in sizes]
    return at.reshape(x, (*x.type.shape[:axis], *parts, *x.type.shape[axis + 1 :]))


@aten("permute", moves=True)
def _permute(at: Importer, x: Node, dims: Sequence[int]) -> Node:
    return at.permute(x, *(d % x.type.rank for d in dims))


@aten("transpose", moves=True)
def transpose(at: Importer, x: Node, a: int, b: int) -> Node:
    order = list(range(x.type.rank))
    order[a], order[b] = order[b], order[a]
    return at.permute(x, *order)


@aten("mT", moves=True)
def _matrix_transpose(at: Importer, x: Node) -> Node:
    return transpose(at, x, -2, -1)


@aten("t", "numpy_T", moves=True)
def _t(at: Importer, x: Node) -> Node:
    return at.permute(x, *reversed(range(x.type.rank)))


@aten("unsqueeze", moves=True)
def _unsqueeze(at: Importer, x: Node, axis: int) -> Node:
    axis %= x.type.rank + 1
    return at.reshape(x, (*x.type.shape[:axis], 1, *x.type.shape[axis:]))


@aten("squeeze", moves=True)
def _squeeze(at: Importer, x: Node, dims: int | Sequence[int] | None = None) -> Node:
    rank = x.type.rank
    chosen = range(rank) if dims is None else [dims] if isinstance(dims, int) else dims
    axes = {d % max(rank, 1) for d in chosen}
    return at.reshape(x, [n for k, n in enumerate(x.type.shape) if not (k in axes and n == 1)])


@aten("expand", moves=True)
def _expand(at: Importer, x: Node, sizes: Sequence[int]) -> Node:
    lead = len(sizes) - x.type.rank
    shape = tuple(x.type.shape[k - lead] if n == -1 else n for k, n in enumerate(sizes))
    return x if shape == x.type.shape else at.build("broadcast_to", x, shape=shape)


def _part(at: Importer, x: Node, axis: int, start: int, stop: int, step: int = 1) -> Node:
    if (start, stop, step) == (0, x.type.shape[axis], 1):
        return x
    before, after = prod(x.type.shape[:axis]), x.type.shape[axis + 1 :]
    if x.type.dtype == "int32" and before == step == 1:  # what a kernel copies are real numbers
        shape = (*x.type.shape[:axis], stop - start, *after)
        return at.build("view", x, start=start * prod(after), shape=shape)
    return at.build("slice", x, axis=axis, start=start, stop=stop, step=step)


@aten("slice", moves=True)
def _slice(
    at: Importer,
    x: Node,
    axis: int,
    start: int | None,
    stop: int | None,
    step: int,
) -> Node:
    axis %= x.type.rank
    first, last, _ = slice(start, stop, step).indices(x.type.shape[axis])
    return _part(at, x, axis, first, last, step)


@aten("select", moves=True)
def _select(at: Importer, x: Node, axis: int, index: int) -> Node:
    axis %= x.type.rank
    index %= x.type.shape[axis]
    return _squeeze(at, _part(at, x, axis, index, index + 1), axis)


@aten("narrow", moves=True)
def _narrow(at: Importer, x: Node, axis: int, start: int, length: int) -> Node:
    axis %= x.type.rank
    return _part(at, x, axis, start, start + length)


def _cut(at: Importer, x: Node, sizes: Sequence[int], axis: int) -> list[Node]:
    edges = np.cumsum([0, *sizes]).tolist()
    return [_part(at, x, axis, a, b) for a, b in pairwise(edges)]


@aten("chunk", moves=True)
def _chunk(at: Importer, x: Node, chunks: int, axis: int) -> list[Node]:
    axis %= x.type.rank
    return _split(at, x, -(-x.type.shape[axis] // chunks), axis)


@aten("split", "split_with_sizes", moves=True)
def _split(at: Importer, x: Node, size: int | Sequence[int], axis: int) -> list[Node]:
    axis %= x.type.rank
    total = x.type.shape[axis]
    if isinstance(size, int):
        size = [min(size, total - k) for k in range(0, total, size)]
    return _cut(at, x, size, axis)


@aten("unbind", moves=True)
def _unbind(at: Importer, x: Node, axis: int) -> list[Node]:
    return [_select(at, x, axis, k) for k in range(x.type.shape[axis])]


@aten("cat", "concat", "concatenate", conditions=True)
def _cat(at: Importer, parts: Sequence[Node | None], axis: int) -> Node:
    """Parts without elements are None: they add nothing."""
    first, *others = [p for p in parts if p is not None]
    axis %= first.type.rank
    joined = first
    for part in others:
        joined = at.build("concat", joined, part, axis=axis)
    return joined


@aten("stack", conditions=True)
def _stack(at: Importer, parts: Sequence[Node], axis: int) -> Node:
    return _cat(at, [_unsqueeze(at, p, axis) for p in parts], axis % (parts[0].type.rank + 1))


@aten("pad")
def _pad(at: Importer, x: Node, pads: Sequence[int], mode: str, value: float | None) -> Node:
    if mode != "constant":
        return moved("pad")(at, x, pads, mode, None)  # type: ignore[return-value]
    return _constant_pad(at, x, pads, value or 0)


@aten("constant_pad_nd")
def _constant_pad(at: Importer, x: Node, pads: Sequence[int], value: float) -> Node:
    """A negative border is cut off."""
    for k in range(0, len(pads), 2):
        axis, (before, after) = x.type.rank - 1 - k // 2, pads[k : k + 2]
        size = x.type.shape[axis]
        x = _part(at, x, axis, max(0, -before), size + min(0, after))
        x = _bordered(at, x, axis, max(0, before), max(0, after), number(value, "value"))
    return x


def _bordered(at: Importer, x: Node, axis: int, before: int, after: int, value: float) -> Node:
    if not before and not after:
        return x
    if not value:
        size = x.type.shape[axis] + before + after
        return at.build("pad_strided", x, axis=axis, start=before, size=size, step=1)
    for count, first in ((before, True), (after, False)):
        if count:
            shape = (*x.type.shape[:axis], count, *x.type.shape[axis + 1 :])
            border = at.const(np.full(shape, value), f"{at.label}.border")
            parts = (border, x) if first else (x, border)
            x = at.build("concat", *parts, axis=axis)
    return x


@aten("pixel_shuffle")
def _pixel_shuffle(at: Importer, x: Node, factor: int) -> Node:
    """Of [.., C f f, H, W] to [.., C, H f, W f], channels last: most of it is copied in runs."""
    *lead, channels, height, width = x.type.shape
    n, f, own = prod(lead), factor, channels // factor**2
    last = at.permute(at.reshape(x, (n, channels, height, width)), 0, 2, 3, 1)
    split = at.reshape(last, (n, height, width, own, f, f))
    large = at.permute(split, 0, 1, 4, 2, 5, 3)
    y = at.permute(at.reshape(large, (n, height * f, width * f, own)), 0, 3, 1, 2)
    return at.reshape(y, (*lead, own, height * f, width * f))


@aten("pixel_unshuffle")
def _pixel_unshuffle(at: Importer, x: Node, factor: int) -> Node:
    *lead, channels, height, width = x.type.shape
    n, f, h, w = prod(lead), factor, height // factor, width // factor
    last = at.permute(at.reshape(x, (n, channels, height, width)), 0, 2, 3, 1)
    split = at.reshape(last, (n, h, f, w, f, channels))
    small = at.permute(split, 0, 1, 3, 5, 2, 4)
    y = at.permute(at.reshape(small, (n, h, w, channels * f * f)), 0, 3, 1, 2)
    return at.reshape(y, (*lead, channels * f * f, h, w))


@aten("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(at: Importer, x: Node, groups: int) -> Node:
    n, channels, *spots = x.type.shape
    rank = x.type.rank
    last = at.permute(x, 0, *range(2, rank), 1)
    split = at.reshape(last, (n, *spots, groups, channels // groups))
    mixed = at.permute(split, *range(rank - 1), rank, rank - 1)
    return at.permute(at.reshape(mixed, (n, *spots, channels)), 0, rank - 1, *range(1, rank - 1))
