"""Slices by an index, of any type, and their gradients; an index may differ by experiment."""

from __future__ import annotations

from torch import Tensor

from trainlet.backends.torch.blocks import shift_even
from trainlet.backends.torch.experiments import aligned, over
from trainlet.backends.torch.shape import concat
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node


def _parts(n: Node, index: Tensor) -> tuple[Tensor, ...]:
    return index.long().split(n.attrs["many"], 1)


def _placed(part: Tensor, axis: int, like: Tensor) -> Tensor:
    """An index [E, many] as one of each element of `like`, but for the size along the axis."""
    along = [part.shape[0], *[1] * (like.ndim - 1)]
    along[axis] = part.shape[1]
    shape = list(like.shape)
    shape[axis] = part.shape[1]
    return part.reshape(along).expand(shape)


def _both(x: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    x, part = aligned(x, part)
    size = max(x.shape[0], part.shape[0])
    return x.expand(size, *x.shape[1:]), part.expand(size, -1)


@lowering("gather", "gather_i8", "gather_bfp")
def gather(n: Node, x: Tensor, index: Tensor, *_: Tensor) -> Tensor:
    for k, part in zip(n.attrs["axes"], _parts(n, index), strict=True):
        x, part = _both(x, part)
        x = x.gather(k + 1, _placed(part, k + 1, x))
    return x


@lowering("interleave", "interleave_i8")
def interleave(n: Node, a: Tensor, b: Tensor, index: Tensor) -> Tensor:
    axis = n.attrs["axis"]
    joined, index = _both(concat(n, a, b), index.long())
    return joined.gather(axis + 1, _placed(index, axis + 1, joined))


@lowering("overlay", "overlay_i8")
def overlay(n: Node, whole: Tensor, part: Tensor, index: Tensor) -> Tensor:
    axis = n.attrs["axis"] + 1
    part, index = _both(part, index.long())
    whole = whole.expand(len(part), *whole.shape[1:]) if len(whole) < len(part) else whole
    part, index = part.expand(len(whole), *part.shape[1:]), index.expand(len(whole), -1)
    return whole.scatter(axis, _placed(index, axis, part), part)


@lowering("scatter")
def scatter(n: Node, g: Tensor, index: Tensor) -> Tensor:
    parts = zip(n.attrs["axes"], _parts(n, index), n.attrs["sizes"], strict=True)
    for k, part, size in reversed(list(parts)):
        g, part = _both(g, part)
        shape = list(g.shape)
        shape[k + 1] = size
        g = g.new_zeros(shape).scatter_add(k + 1, _placed(part, k + 1, g), g)
    return g


@lowering("scatter_bfp")
def scatter_bfp(n: Node, g: Tensor, index: Tensor, e: Tensor, out: Tensor) -> Tensor:
    share = shift_even(g.long(), over(out.long() - e.long(), g))
    return scatter(n, share, index).to(g.dtype)
