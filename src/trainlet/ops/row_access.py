"""Which rows of its maps an operator reads for a row of its result.

Rows lie along dimension 1 of a map [N,H,W,C].  An operator that knows its rows can run on a few of
them at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlet.ops.window import Geometry

if TYPE_CHECKING:
    from trainlet.ir.graph import Node


@dataclass(frozen=True)
class RowAccess:
    """Rows first(r) to end(r + 1) of every map make row r; those beyond the map are padding.

    maps: the positions of the inputs that are maps; others are read as a whole.
    """

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    maps: tuple[int, ...] = (0,)

    @property
    def reach(self) -> int:
        """From the first to the last row of a window."""
        return (self.kernel - 1) * self.dilation

    def first(self, row: int) -> int:
        """The first row that is read for `row`; negative in the padding."""
        return row * self.stride - self.padding

    def end(self, rows: int) -> int:
        """One past the last row that is read for the first `rows` rows."""
        return self.first(rows - 1) + self.reach + 1

    def ready(self, available: int) -> int:
        """How many rows the first `available` rows make, padding below not counted."""
        return max(0, (available - 1 + self.padding - self.reach) // self.stride + 1)

    def span(self, start: int, until: int, height: int) -> tuple[int, int]:
        """The first row of a map of `height` rows that rows `start` to `until` read, and one past
        the last."""
        return max(0, self.first(start)), min(height, self.end(until))

    def all_read(self, results: int, height: int) -> bool:
        """Whether each of `results` rows reads a row of a map of `height` rows: none does whose
        window lies in the padding as a whole."""
        return self.end(1) > 0 and self.first(results - 1) < height

    def part(self, attrs: Mapping[str, Any], start: int, until: int, height: int) -> dict[str, Any]:
        """The operator's attributes for rows `start` to `until` alone."""
        if "padding" not in attrs:
            return dict(attrs)
        _, left, _, right = attrs["padding"]
        top, bottom = max(0, -self.first(start)), max(0, self.end(until) - height)
        return {**attrs, "padding": (top, left, bottom, right)}


@dataclass(frozen=True)
class InputGradientRowAccess(RowAccess):
    """The windows of a layer seen from its input: row r of the input's gradient reads the rows of
    the result's gradient whose windows hold r."""

    def first(self, row: int) -> int:
        return -((self.reach - self.padding - row) // self.stride)

    def end(self, rows: int) -> int:
        return (rows - 1 + self.padding) // self.stride + 1

    def ready(self, available: int) -> int:
        return max(0, available * self.stride - self.padding)

    def span(self, start: int, until: int, height: int) -> tuple[int, int]:
        """As above, but at least one row, even if no window contains the input rows."""
        first = min(max(0, self.first(start)), height - 1)
        return first, max(first + 1, min(height, self.end(until)))

    def all_read(self, results: int, height: int) -> bool:
        return True

    def part(self, attrs: Mapping[str, Any], start: int, until: int, height: int) -> dict[str, Any]:
        first, stop = self.span(start, until, height)
        rows, top = until - start, start + self.padding - first * self.stride
        bottom = max(0, (stop - first - 1) * self.stride + self.reach + 1 - rows - top)
        _, left, _, right = attrs["padding"]
        size = rows, attrs["size"][1]
        return {**attrs, "size": size, "padding": (top, left, bottom, right)}


@dataclass(frozen=True)
class SummedRowAccess(RowAccess):
    """The result is a sum over all rows.  Run on some rows, the operator takes what those before
    summed up to as its last input."""


def own_rows(n: Node) -> RowAccess | None:
    """Element by element: row r of all maps makes row r."""
    first = n.inputs[0].type
    same = all(i.type.shape == first.shape for i in n.inputs)
    return RowAccess(maps=tuple(range(len(n.inputs)))) if same else None


def pair_rows(n: Node) -> RowAccess:
    """Element by element, of the first two inputs: two maps, or a map and its packed mask."""
    return RowAccess(maps=(0, 1))


def window_rows(n: Node) -> RowAccess:
    """A convolution or a pool."""
    g = Geometry.of(n)
    return RowAccess(g.kernel[0], g.stride[0], g.padding[0], g.dilation[0])


def window_dx_rows(n: Node) -> RowAccess | None:
    """The input gradient of a convolution.  None where rows lie between windows: their gradient is
    zero, and no row makes it."""
    window = window_rows(n)
    if window.reach + 1 < window.stride:
        return None
    return InputGradientRowAccess(window.kernel, window.stride, window.padding, window.dilation)


def channel_sum_rows(n: Node) -> RowAccess | None:
    """The sum of each channel of one map [1,H,W,C]."""
    plain = len(n.inputs) == 1 and n.attrs.get("factor", 1.0) == 1.0
    return SummedRowAccess() if plain and n.type.shape == n.inputs[0].type.shape[3:] else None


def channel_rows(n: Node) -> RowAccess | None:
    """Slices and joins of channels."""
    along = n.attrs["axis"] in (-1, n.type.rank - 1)
    return RowAccess(maps=tuple(range(len(n.inputs)))) if along else None
