"""The sliding windows of convolutions and pools: their geometry, and the elements they cover.

Maps are [N,H,W,C], channels last.  One-dimensional maps are the same with H = 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import numpy as np

from trainlet.errors import ShapeError

if TYPE_CHECKING:
    from trainlet.ir.graph import Node
    from trainlet.ir.types import TensorType

Pair = tuple[int, int]
Quad = tuple[int, int, int, int]
Size = tuple[int, ...]
"""Height and width, as they are cut out of a shape."""


@dataclass(frozen=True)
class Geometry:
    """The size of a window and how it moves, down and across.

    padding: top, left, bottom, right
    groups:  number of groups of channels; None where every channel is computed by itself, as in a
             depthwise convolution or a pool
    """

    kernel: Pair
    stride: Pair
    padding: Quad
    dilation: Pair = (1, 1)
    groups: int | None = None

    @staticmethod
    def of_weight(w: TensorType | np.ndarray, **window: Any) -> Geometry:
        """With the kernel of a weight [O,KH,KW,C/groups] or [KH,KW,C], the rest from `window`."""
        return Geometry(w.shape[-3:-1], **window)  # type: ignore[arg-type]

    @staticmethod
    def of(n: Node) -> Geometry:
        """Of a convolution, a pool, or a gradient of one.  A node without the attribute `kernel`
        has a weight as its second input."""
        names = ("kernel", "stride", "padding", "dilation", "groups")
        window = {name: n.attrs[name] for name in names if name in n.attrs}
        if "kernel" in window:
            return Geometry(**window)
        return Geometry.of_weight(n.inputs[1].type, **window)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of a convolution: all but the kernel, which its weight has."""
        own = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        return own if self.groups is None else {**own, "groups": self.groups}

    @property
    def positions(self) -> Iterator[Pair]:
        """(ky, kx) of each element of the kernel, row by row."""
        return product(range(self.kernel[0]), range(self.kernel[1]))

    def out(self, size: Size) -> Pair:
        """Height and width of the result on maps of `size`; raises ShapeError if no window fits."""
        top, left, bottom, right = self.padding
        padded = size[0] + top + bottom, size[1] + left + right
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        if any(p < r for p, r in zip(padded, reach, strict=True)):
            raise ShapeError(
                f"a {self.kernel[0]}x{self.kernel[1]} window does not fit a "
                f"{padded[0]}x{padded[1]} padded map"
            )
        h, w = ((p - r) // s + 1 for p, r, s in zip(padded, reach, self.stride, strict=True))
        return h, w

    def taps(self, out: Size) -> Iterator[tuple[slice, slice, slice]]:
        """For each kernel position, the slice of the padded map [N,H,W,C] that it is multiplied
        with, for a result of size `out`."""
        (sy, sx), (dy, dx) = self.stride, self.dilation
        for ky, kx in self.positions:
            rows = slice(ky * dy, ky * dy + sy * (out[0] - 1) + 1, sy)
            yield slice(None), rows, slice(kx * dx, kx * dx + sx * (out[1] - 1) + 1, sx)

    def literals(self, x: TensorType, y: TensorType) -> tuple[int, ...]:
        """The numbers in a C call, for a map x and a result y: N H W C, OH OW, KH KW, strides, top
        and left padding, dilations; with groups, O after OW and the number of groups at the end."""
        window = (*self.kernel, *self.stride, *self.padding[:2], *self.dilation)
        if self.groups is None:
            return (*x.shape, *y.shape[1:3], *window)
        return (*x.shape, *y.shape[1:], *window, self.groups)

    def macs(self, y: TensorType, w: TensorType) -> int:
        """Multiply-accumulates for a result of type y with a weight of type w."""
        return y.size * (w.size // w.shape[-1] if self.groups is None else w.size // w.shape[0])


def windows(x: np.ndarray, geometry: Geometry, out: Size, fill: float = 0) -> Iterator[np.ndarray]:
    """For each kernel position, the elements of x that it is multiplied with, for a result of size
    `out`: views [N,OH,OW,C] of x [N,H,W,C], padded with `fill`."""
    top, left, bottom, right = geometry.padding
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    padded = np.pad(x, around, constant_values=fill) if any(geometry.padding) else x
    return (padded[tap] for tap in geometry.taps(out))


def areas(size: Size, geometry: Geometry, out: Size) -> np.ndarray:
    """How many elements of a map of `size` lie in each window, int64 [1,OH,OW,1]."""
    return sum(windows(np.ones((1, *size, 1), np.int64), geometry, out))  # type: ignore[arg-type]


def scattered(parts: Iterable[np.ndarray], size: Size, geometry: Geometry) -> np.ndarray:
    """The transpose of `windows`: a map [N,H,W,C] of `size` to which `parts`, one [N,OH,OW,C] for
    each kernel position, are added at the elements that `windows` reads for that position."""
    parts = iter(parts)
    first = next(parts)
    top, left, bottom, right = geometry.padding
    shape = (len(first), size[0] + top + bottom, size[1] + left + right, first.shape[3])
    padded = np.zeros(shape, first.dtype)
    for part, tap in zip(chain([first], parts), geometry.taps(first.shape[1:3]), strict=False):
        padded[tap] += part
    return padded[:, top : top + size[0], left : left + size[1]]
