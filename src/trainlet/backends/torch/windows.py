"""Sliding windows over maps [B, H, W, C] of any number of experiments and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ops.conv import Pair, Quad, taps, window_output


@dataclass(frozen=True)
class Window:
    """The geometry of a layer on maps of one size."""

    size: Pair
    out: Pair
    kernel: Pair
    stride: Pair
    padding: Quad
    dilation: Pair

    @staticmethod
    def of(n: Node, size: Pair, kernel: Pair) -> Window:
        """Of a node with the usual attributes, on maps of `size`."""
        stride, padding = n.attrs["stride"], n.attrs["padding"]
        dilation = n.attrs.get("dilation", (1, 1))
        out = window_output(size, kernel, stride, padding, dilation)
        return Window(size, out, kernel, stride, padding, dilation)

    @property
    def is_point(self) -> bool:
        """Whether every element is a window of its own."""
        return self.kernel == self.stride == (1, 1) and not any(self.padding)

    def taps(self) -> Any:
        """(ky, kx, the part of the padded map that it meets) of each place in the window."""
        return taps(self.kernel, self.out, self.stride, self.dilation)

    def padded(self, x: Tensor, value: float = 0) -> Tensor:
        top, left, bottom, right = self.padding
        if not any(self.padding):
            return x
        return F.pad(x, (0, 0, left, right, top, bottom), value=value)

    def patches(self, padded: Tensor) -> Tensor:
        """A view [B, OH, OW, KH, KW, C] of padded maps."""
        padded = padded.contiguous()
        b, h, w, c = padded.stride()
        (sy, sx), (dy, dx) = self.stride, self.dilation
        shape = (padded.shape[0], *self.out, *self.kernel, padded.shape[3])
        return padded.as_strided(shape, (b, sy * h, sx * w, dy * h, dx * w, c))

    def empty(self, maps: int, channels: int, like: Tensor) -> Tensor:
        """Padded maps of zeros, to add to."""
        top, left, bottom, right = self.padding
        height, width = self.size[0] + top + bottom, self.size[1] + left + right
        return like.new_zeros((maps, height, width, channels))

    def convolved(self, padded: Tensor, w: Tensor, groups: int) -> Tensor:
        """torch's own convolution of padded maps and one weight [O,KH,KW,C/groups]."""
        maps, weight = padded.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2)
        y = F.conv2d(maps, weight, None, self.stride, 0, self.dilation, groups)
        return y.permute(0, 2, 3, 1)

    def inside(self, padded: Tensor) -> Tensor:
        """The maps without their border."""
        top, left, *_ = self.padding
        return padded[:, top : top + self.size[0], left : left + self.size[1]]


def convolves(x: Tensor, w: Tensor) -> bool:
    """Whether torch's convolution serves: of a shared weight w, and on a CPU, where it is a direct
    one, so exact for integers; a GPU's may go through transforms."""
    return w.shape[0] == 1 and x.dtype == torch.float32 and x.device.type == "cpu"


def folded(x: Tensor) -> Tensor:
    """[lead, N, ...] as [lead * N, ...]."""
    return x.flatten(0, 1)


def unfolded(x: Tensor, lead: int) -> Tensor:
    """The inverse of `folded`."""
    return x.unflatten(0, (lead, -1))


def real_input(x: Tensor, zero: int, dtype: torch.dtype) -> Tensor:
    """x - zero in a float type; a new tensor."""
    return x.to(dtype).sub_(zero)
