"""Kernel sizes, strides and padding of maps and sequences."""

from __future__ import annotations

from collections.abc import Sequence

from trainlet.errors import UnsupportedError
from trainlet.frontends.importer import pair
from trainlet.ir.graph import Node

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def spatial(x: Node, values: int | Sequence[int], missing: int = 1) -> tuple[int, int]:
    """(height, width) for a map, (missing, length) for a sequence."""
    return pair(values) if x.type.rank == 4 else (missing, pair(values)[0])


def pads(
    x: Node, padding: str | int | Sequence[int], kernel: tuple = (1, 1), dilation: tuple = (1, 1)
) -> Pads:
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2
    if isinstance(padding, str) and padding != "valid":
        raise UnsupportedError(f"padding {padding!r}; allowed: numbers, 'same', 'valid'")
    h, w = (0, 0) if isinstance(padding, str) else spatial(x, padding, missing=0)
    return h, w, h, w
