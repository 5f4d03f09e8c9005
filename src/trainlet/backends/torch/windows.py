"""Sliding windows over maps [B, H, W, C] of any number of experiments and samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ops.window import Geometry, Pair


@dataclass(frozen=True)
class Window:
    """The geometry of a layer on maps of one size."""

    geometry: Geometry
    size: Pair
    out: Pair

    @staticmethod
    def of(n: Node, size: Pair) -> Window:
        """Of a convolution, a pool or a gradient of one, on maps of `size`."""
        geometry = Geometry.of(n)
        return Window(geometry, size, geometry.out(size))

    @property
    def kernel(self) -> Pair:
        return self.geometry.kernel

    @property
    def is_point(self) -> bool:
        """Whether every element is a window of its own."""
        geometry = self.geometry
        return geometry.kernel == geometry.stride == (1, 1) and not any(geometry.padding)

    def taps(self) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
        """For each position in the window: (ky, kx, the part of the padded map that it covers)."""
        pairs = zip(self.geometry.positions, self.geometry.taps(self.out), strict=True)
        return ((ky, kx, met) for (ky, kx), met in pairs)

    def padded(self, x: Tensor, value: float = 0) -> Tensor:
        top, left, bottom, right = self.geometry.padding
        if not any(self.geometry.padding):
            return x
        return F.pad(x, (0, 0, left, right, top, bottom), value=value)

    def patches(self, padded: Tensor) -> Tensor:
        """A view [B, OH, OW, KH, KW, C] of padded maps."""
        padded = padded.contiguous()
        b, h, w, c = padded.stride()
        (sy, sx), (dy, dx) = self.geometry.stride, self.geometry.dilation
        shape = (padded.shape[0], *self.out, *self.kernel, padded.shape[3])
        return padded.as_strided(shape, (b, sy * h, sx * w, dy * h, dx * w, c))

    def empty(self, maps: int, channels: int, like: Tensor) -> Tensor:
        """Padded maps of zeros, to add to."""
        top, left, bottom, right = self.geometry.padding
        height, width = self.size[0] + top + bottom, self.size[1] + left + right
        return like.new_zeros((maps, height, width, channels))

    def convolved(self, padded: Tensor, w: Tensor, groups: int) -> Tensor:
        """torch's own convolution of padded maps and one weight [O,KH,KW,C/groups]."""
        maps, weight = padded.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2)
        y = F.conv2d(maps, weight, None, self.geometry.stride, 0, self.geometry.dilation, groups)
        return y.permute(0, 2, 3, 1)

    def inside(self, padded: Tensor) -> Tensor:
        """The maps without their border."""
        top, left, *_ = self.geometry.padding
        return padded[:, top : top + self.size[0], left : left + self.size[1]]


def convolves(x: Tensor, w: Tensor) -> bool:
    """Whether torch's own convolution can be used: for a shared weight w on a CPU. There it is
    computed directly, so it is exact for integers; on a GPU it may use transforms."""
    return w.shape[0] == 1 and x.dtype == torch.float32 and x.device.type == "cpu"


def folded(x: Tensor) -> Tensor:
    """[E, N, ...] as [E * N, ...]."""
    return x.flatten(0, 1)


def unfolded(x: Tensor, experiments: int) -> Tensor:
    """The inverse of `folded`."""
    return x.unflatten(0, (experiments, -1))


def real_input(x: Tensor, zero: int, dtype: torch.dtype) -> Tensor:
    """x - zero in a float type; a new tensor."""
    return x.to(dtype).sub_(zero)
