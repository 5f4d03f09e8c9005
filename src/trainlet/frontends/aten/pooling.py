"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.moves import gather
from trainlet.frontends.aten.reductions import mean
from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.aten.windows import Pads, Pair, pads, spatial
from trainlet.frontends.importer import Importer, pair
from trainlet.ir.graph import Node


def _batched(build: Builder, x: Node, rank: int, at: Importer, *args: Any) -> Node:
    """The same of x without a batch: torch pools [C,H,W] as one map."""
    if x.type.rank == rank:
        return build(at, x, *args)  # type: ignore[return-value]
    y: Any = build(at, at.reshape(x, (1, *x.type.shape)), *args)
    return at.reshape(y, y.type.shape[1:])


def _entered(build: Builder, name: str) -> None:
    """Under its names for sequences and for maps."""
    aten(f"{name}1d")(lambda at, x, *args: _batched(build, x, 3, at, *args))
    aten(f"{name}2d")(lambda at, x, *args: _batched(build, x, 4, at, *args))


def max_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> Node:
    size, step, reach = (spatial(x, v) for v in (kernel, stride or kernel, dilation))
    border = pads(x, padding)
    if ceil_mode:
        border = rounded_up(x, size, step, border, reach)
    return at.channels_last("max_pool", x, kernel=size, stride=step, padding=border, dilation=reach)


def avg_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Node:
    if divisor_override is not None:
        raise UnsupportedError(f"divisor_override={divisor_override}; allowed: None")
    size, step = (spatial(x, v) for v in (kernel, stride or kernel))
    return averaged(at, x, size, step, pads(x, padding), ceil_mode, count_include_pad)


def averaged(
    at: Importer, x: Node, size: Pair, step: Pair, border: Pads, ceil_mode: bool, counted: bool
) -> Node:
    """An average pool; counted: whether the border's zeros count."""
    whole = rounded_up(x, size, step, border) if ceil_mode else border
    if whole != border and counted:
        # the padding that is asked for counts, what rounding up adds does not
        x = framed(at, x, border)
        whole = (0, 0, whole[2] - border[2], whole[3] - border[3])
        counted = False
    attrs = {"kernel": size, "stride": step, "padding": whole}
    return at.channels_last("avg_pool", x, **attrs, count_padding=counted)


def framed(at: Importer, x: Node, border: Pads) -> Node:
    """x with zeros around its map or sequence."""
    top, left, bottom, right = border
    for axis, before, after in ((x.type.rank - 2, top, bottom), (x.type.rank - 1, left, right)):
        if before or after:
            size = x.type.shape[axis] + before + after
            x = at.build("pad_strided", x, axis=axis, start=before, size=size, step=1)
    return x


def rounded_up(x: Node, size: Pair, step: Pair, border: Pads, reach: Pair = (1, 1)) -> Pads:
    """The border with which rounding down makes as many windows as rounding up: a last window that
    is not whole is there if it begins before the border behind the map."""
    shape = x.type.shape[2:] if x.type.rank == 4 else (1, x.type.shape[2])
    ends = []
    for n, k, s, d, before, after in zip(
        shape, size, step, reach, border[:2], border[2:], strict=True
    ):
        long = d * (k - 1) + 1
        many = -(-(n + before + after - long) // s) + 1
        if (many - 1) * s >= n + before:
            many -= 1
        ends.append(max(after, (many - 1) * s + long - n - before))
    return border[0], border[1], ends[0], ends[1]


_entered(max_pool, "max_pool")
_entered(avg_pool, "avg_pool")


def adaptive_avg_pool(at: Importer, x: Node, out: Sequence[int]) -> Node:
    size = x.type.shape[2:]
    goal = pair(out) if x.type.rank == 4 else pair(out)[:1]
    if set(goal) == {1}:
        return mean(at, x, list(range(2, x.type.rank)), True)
    if all(n % m == 0 for n, m in zip(size, goal, strict=True)):
        window = [n // m for n, m in zip(size, goal, strict=True)]
        return avg_pool(at, x, window, window, (0,), False, True)
    return at.channels_last("adaptive_avg_pool", x, out=spatial(x, goal))


_entered(adaptive_avg_pool, "adaptive_avg_pool")
aten("_adaptive_avg_pool2d")(lambda at, x, out: _batched(adaptive_avg_pool, x, 4, at, out))


def adaptive_max_pool(at: Importer, x: Node, out: Sequence[int]) -> Node:
    """Where windows differ in size, the last slice of the smaller ones is taken once more."""
    size = x.type.shape[2:]
    goal = pair(out)[: len(size)]
    window = [-(-n // m) for n, m in zip(size, goal, strict=True)]
    uneven = [k for k, (n, m) in enumerate(zip(size, goal, strict=True)) if n % m]
    slices = []
    for k in uneven:
        n, m = size[k], goal[k]
        ends = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
        window[k] = max(end - start for start, end in ends)
        slices.append(
            np.array([min(start + j, end - 1) for start, end in ends for j in range(window[k])])
        )
    if uneven:
        x = gather(at, x, tuple(k + 2 for k in uneven), slices)
    return max_pool(at, x, window, window, (0,), (1,), False)


for _name, _rank in (("adaptive_max_pool1d", 3), ("adaptive_max_pool2d", 4)):
    aten(_name)(lambda at, x, out, r=_rank: [_batched(adaptive_max_pool, x, r, at, out)])
