"""Which rows of its maps an operator reads for a row of its result.

Rows lie along dimension 1 of a map [N,H,W,C].  An operator that knows its rows can run on a few of
them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainlet.ir.graph import Node


@dataclass(frozen=True)
class Rows:
    """Rows first(r) to end(r + 1) of every map make row r; those beyond the map are padding.

    maps: the positions of the inputs that are maps; others are read as a whole.
    """

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    maps: tuple[int, ...] = (0,)

    def first(self, row: int) -> int:
        """The first row that is read for `row`; negative in the padding."""
        return row * self.stride - self.padding

    def end(self, rows: int) -> int:
        """One past the last row that is read for the first `rows` rows."""
        return self.first(rows - 1) + (self.kernel - 1) * self.dilation + 1

    def ready(self, available: int) -> int:
        """How many rows the first `available` rows make, padding below not counted."""
        reach = (self.kernel - 1) * self.dilation
        return max(0, (available - 1 + self.padding - reach) // self.stride + 1)


def own_rows(n: Node) -> Rows | None:
    """Element by element: row r of all maps makes row r."""
    first = n.inputs[0].type
    same = all(i.type.shape == first.shape for i in n.inputs)
    return Rows(maps=tuple(range(len(n.inputs)))) if same else None


def window_rows(n: Node) -> Rows:
    """A pooling window of attribute `kernel`."""
    return _window(n, n.attrs["kernel"][0])


def conv_rows(n: Node) -> Rows:
    """A convolution with weight [O,KH,KW,C]."""
    return _window(n, n.inputs[1].type.shape[1])


def depthwise_rows(n: Node) -> Rows:
    """A depthwise convolution with weight [KH,KW,C]."""
    return _window(n, n.inputs[1].type.shape[0])


def channel_rows(n: Node) -> Rows | None:
    """Slices and joins of channels."""
    along = n.attrs["axis"] in (-1, n.type.rank - 1)
    return Rows(maps=tuple(range(len(n.inputs)))) if along else None


def _window(n: Node, kernel: int) -> Rows:
    dilation = n.attrs.get("dilation", (1, 1))
    return Rows(kernel, n.attrs["stride"][0], n.attrs["padding"][0], dilation[0])
