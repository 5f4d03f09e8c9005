"""Convolutions and pools over [N,C,D,H,W], by those over maps.

A window of a volume is several maps deep.  A convolution reads the maps of each window as channels
of one map; a pool takes each map's windows first, then goes along the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.moves import gather
from trainlet.frontends.aten.pooling import adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool
from trainlet.frontends.aten.reductions import mean
from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.aten.windows import pads, spatial
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node

RANK = 5
ALONE = (1, 1, 0, 1)
"""The size, stride, padding and dilation of a window that leaves a dimension as it is."""


def _triple(values: int | Sequence[int]) -> list[int]:
    listed = [values] if isinstance(values, int) else list(values)
    return listed * 3 if len(listed) == 1 else listed


def _entered(name: str, build: Builder) -> None:
    """With a batch, and without one."""

    def of_volumes(at: Importer, x: Node, *args: Any) -> Any:
        if x.type.rank == RANK:
            return build(at, x, *args)
        y: Any = build(at, at.reshape(x, (1, *x.type.shape)), *args)
        return at.reshape(y, y.type.shape[1:])

    aten(name)(of_volumes)


def _conv(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: str | Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    outputs, inputs, deep, *kernel = w.type.shape
    step, reach = _triple(stride), _triple(dilation)
    border = padding if isinstance(padding, str) else _triple(padding)[1:]
    x = _padded(at, x, padding, reach[0] * (deep - 1))
    many = (x.type.shape[2] - reach[0] * (deep - 1) - 1) // step[0] + 1
    if many < 1:
        raise UnsupportedError(f"a kernel {deep} deep over a depth of {x.type.shape[2]}")
    maps = _windows(at, x, deep, step[0], reach[0], many)
    size = spatial(maps, kernel)
    weight = at.reshape(at.permute(w, 0, 3, 4, 1, 2), (outputs, *size, inputs * deep))
    attrs = {
        "stride": spatial(maps, step[1:]),
        "padding": pads(maps, border, size, tuple(reach[1:])),
        "dilation": spatial(maps, reach[1:]),
    }
    bias = () if b is None else (b,)
    y = at.channels_last("conv2d", maps, weight, *bias, **attrs, groups=groups)
    return _volumes(at, y, x.type.shape[0])


def _padded(at: Importer, x: Node, padding: str | Sequence[int], same: int) -> Node:
    """x with zeros before its first map and behind its last; same: of padding "same"."""
    if isinstance(padding, str):
        before, after = (same // 2, same - same // 2) if padding == "same" else (0, 0)
    else:
        before = after = _triple(padding)[0]
    if not before + after:
        return x
    n, c, depth, *map_size = x.type.shape
    size = depth + before + after
    whole = at.reshape(x, (n * c, depth, *map_size))  # integers are padded in four dimensions
    padded = at.build("pad_strided", whole, axis=1, start=before, size=size, step=1)
    return at.reshape(padded, (n, c, size, *map_size))


def _windows(at: Importer, x: Node, deep: int, step: int, reach: int, many: int) -> Node:
    """[N * many, C * deep, H, W]: the maps under each place of a kernel."""
    index = (np.arange(many)[:, None] * step + np.arange(deep) * reach).ravel()
    n, c, depth, height, width = x.type.shape
    if not np.array_equal(index, range(depth)):
        x = gather(at, x, (2,), [index])
    x = at.reshape(x, (n, c, many, deep, height, width))
    return at.reshape(at.permute(x, 0, 2, 1, 3, 4, 5), (n * many, c * deep, height, width))


def _volumes(at: Importer, maps: Node, batch: int) -> Node:
    """[N,C,D,H,W] of maps [N * D,C,H,W]."""
    many, c, height, width = maps.type.shape
    split = at.reshape(maps, (batch, many // batch, c, height, width))
    return at.permute(split, 0, 2, 1, 3, 4)


def _pool(
    build: Builder, many: int, at: Importer, x: Node, kernel: Sequence[int], stride: Sequence[int],
    *rest: Any,
) -> Node:  # fmt: skip
    """A pool of maps, then the same pool along the depth.

    many: how many arguments are numbers of three dimensions: kernel, stride and so on
    """
    n, c, depth, *size = x.type.shape
    triples = [_triple(v) for v in (kernel, stride or kernel, *rest[: many - 2])]
    others, alone = rest[many - 2 :], ALONE[:many]
    of_maps = [v[1:] for v in triples]
    along_depth = [[v[0], k] for v, k in zip(triples, alone, strict=True)]
    if of_maps != [[k, k] for k in alone]:
        x = build(at, at.reshape(x, (n, c * depth, *size)), *of_maps, *others)  # type: ignore[assignment]
        size = x.type.shape[2:]
    if along_depth != [[k, k] for k in alone]:
        flat = at.reshape(x, (n, c, depth, size[0] * size[1]))
        x = build(at, flat, *along_depth, *others)  # type: ignore[assignment]
        depth = x.type.shape[2]
    return at.reshape(x, (n, c, depth, *size))


def _adaptive(build: Builder, at: Importer, x: Node, out: Sequence[int]) -> Node:
    deep, *size = _triple(out)
    n, c, depth, *map_size = x.type.shape
    if {deep, *size} == {1} and build is adaptive_avg_pool:
        whole = mean(at, at.reshape(x, (n, c, depth * prod(map_size))), [2], True)
        return at.reshape(whole, (n, c, 1, 1, 1))
    y: Any = build(at, at.reshape(x, (n, c * depth, *map_size)), size)
    elements = size[0] * size[1]
    y = build(at, at.reshape(y, (n, c, depth, elements)), [deep, elements])
    return at.reshape(y, (n, c, deep, *size))


_entered("conv3d", _conv)
_entered("max_pool3d", partial(_pool, max_pool, 4))
_entered("avg_pool3d", partial(_pool, avg_pool, 3))
_entered("adaptive_avg_pool3d", partial(_adaptive, adaptive_avg_pool))
_entered("_adaptive_avg_pool3d", partial(_adaptive, adaptive_avg_pool))
_entered("adaptive_max_pool3d", lambda *args: [_adaptive(adaptive_max_pool, *args)])
