"""Operators that move elements of any type."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.pack import ALIGN


@lowering("reshape")
def reshape(n: Node, x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], *n.type.shape)


@lowering("plane")
def plane(n: Node, p: Tensor) -> Tensor:
    """The int8 weights before their fractions."""
    return p[:, : n.type.size].reshape(p.shape[0], *n.type.shape)


@lowering("permute", "permute_i8", "permute_bfp")
def permute(n: Node, x: Tensor, *_: Tensor) -> Tensor:
    return x.permute(0, *(k + 1 for k in n.attrs["permutation"]))


def _window(n: Node, rank: int, stop: int) -> tuple[slice, ...]:
    window = [slice(None)] * (rank + 1)
    axis = n.attrs["axis"] % rank
    window[axis + 1] = slice(n.attrs["start"], stop, n.attrs.get("step", 1))
    return tuple(window)


@lowering("slice", "slice_i8", "slice_bfp")
def slice_(n: Node, x: Tensor, *_: Tensor) -> Tensor:
    return x[_window(n, n.type.rank, n.attrs["stop"])]


@lowering("pad_strided", "pad_strided_bfp")
def pad_strided(n: Node, g: Tensor, *_: Tensor) -> Tensor:
    axis = n.attrs["axis"] % n.type.rank
    stop = n.attrs["start"] + (g.shape[axis + 1] - 1) * n.attrs.get("step", 1) + 1
    x = g.new_zeros((g.shape[0], *n.type.shape))
    x[_window(n, n.type.rank, stop)] = g
    return x


@lowering("pack")
def pack(n: Node, *parts: Tensor) -> Tensor:
    """Each at a multiple of 8 bytes, with zeros behind it."""
    parts = tuple(aligned(*parts))
    size = max(part.shape[0] for part in parts)
    rows = (part.expand(size, *part.shape[1:]).reshape(size, -1) for part in parts)
    octets = [row.contiguous().view(torch.uint8) for row in rows]
    return torch.cat([torch.nn.functional.pad(o, (0, -o.shape[1] % ALIGN)) for o in octets], 1)


@lowering("copy_i8")
def copy(n: Node, x: Tensor) -> Tensor:
    return x


@lowering("concat", "concat_i8", "concat_bfp")
def concat(n: Node, a: Tensor, b: Tensor, *_: Tensor) -> Tensor:
    return joined(a, b, n.attrs["axis"] % n.type.rank)


def joined(a: Tensor, b: Tensor, axis: int) -> Tensor:
    """Two tensors of experiments, joined along an axis of the tensors."""
    a, b = aligned(a, b)
    experiments = max(a.shape[0], b.shape[0])
    return torch.cat([t.expand(experiments, *t.shape[1:]) for t in (a, b)], axis + 1)


@lowering("pad_i8")
def pad_i8(n: Node, x: Tensor) -> Tensor:
    padded = x.new_full((x.shape[0], *n.type.shape), n.attrs["zero_point"])
    inside = (
        slice(before, before + size)
        for (before, _), size in zip(n.attrs["padding"], x.shape[1:], strict=True)
    )
    padded[:, *inside] = x
    return padded
