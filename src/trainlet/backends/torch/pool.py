"""Quantised pooling and its gradients, channels last; windows never count their padding."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from trainlet.backends.torch.blocks import shift_even
from trainlet.backends.torch.experiments import aligned, over
from trainlet.backends.torch.fixed_point import Factor, rescaled
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import Window, folded, unfolded
from trainlet.ir.graph import Node
from trainlet.ops.quantized.pool import mean_factor
from trainlet.ops.quantized.types import LOWEST


def _window(n: Node, x: Tensor) -> Window:
    return Window.of(n, (x.shape[2], x.shape[3]))


def _clipped(y: Tensor, n: Node) -> Tensor:
    return y.clamp(n.attrs["low"], n.attrs["high"]).to(torch.int8)


def areas(window: Window, like: Tensor) -> Tensor:
    """Elements of the map in each window, int64 [OH,OW,1]."""
    ones = torch.ones((1, *window.size, 1), dtype=torch.int64, device=like.device)
    return window.patches(window.padded(ones)).sum((3, 4))[0]


@lowering("avg_pool_i8")
def avg_pool_i8(n: Node, x: Tensor) -> Tensor:
    window = _window(n, x)
    total = window.patches(window.padded(folded(x))).sum((3, 4), dtype=torch.int64)
    count = areas(window, x)
    quotient = (total.abs() + count // 2) // count
    return unfolded(_clipped(torch.where(total < 0, -quotient, quotient), n), x.shape[0])


@lowering("max_pool_i8")
def max_pool_i8(n: Node, x: Tensor) -> Tensor:
    window = _window(n, x)
    top = window.patches(window.padded(folded(x), LOWEST)).amax((3, 4))
    return unfolded(_clipped(top, n), x.shape[0])


@lowering("max_pool_winner_i8")
def max_pool_winner_i8(n: Node, x: Tensor) -> Tensor:
    return winner(n, x.to(torch.int16), LOWEST - 1)


def winner(n: Node, x: Tensor, lowest: float) -> Tensor:
    """The position of the first maximum of each window."""
    window = _window(n, x)
    places = window.patches(window.padded(folded(x), lowest)).flatten(3, 4)
    return unfolded(places.argmax(3).to(torch.uint8), x.shape[0])


@lowering("mean_i8")
def mean_i8(n: Node, x: Tensor) -> Tensor:
    axes = tuple(k + 1 for k in n.attrs["axes"])
    count = prod(x.shape[k] for k in axes)
    source, zero = n.attrs["source"]
    total = x.sum(axes, dtype=torch.int64, keepdim=n.attrs["keep"]) - zero * count
    factor = Factor.scalar(*mean_factor(source, n.attrs["scale"], count), x.device)
    return rescaled(total.double(), factor, n)


def _shares(n: Node, g: Tensor, share: Tensor, winner: Tensor | None = None) -> Tensor:
    """Each window's share given to its elements, or to its winner: [E,N,H,W,C]."""
    window = Window.of(n, n.attrs["size"])
    experiments = share.shape[0]
    padded = window.empty(experiments * g.shape[1], g.shape[4], share)
    share = folded(share)
    for ky, kx, met in window.taps():
        if winner is None:
            padded[met] += share
        else:
            won = folded(winner) == ky * window.kernel[1] + kx
            padded[met] += torch.where(won, share, torch.zeros_like(share[:1]))
    return unfolded(window.inside(padded), experiments)


@lowering("avg_pool_bfp_dx")
def avg_pool_bfp_dx(n: Node, g: Tensor, e: Tensor, out: Tensor) -> Tensor:
    area = areas(Window.of(n, n.attrs["size"]), g)
    share = g.long() * ((32768 + area // 2) // area)
    made = _shares(n, g, share)
    return shift_even(made, over(out.long() - e.long() + 15, made)).to(g.dtype)


@lowering("max_pool_bfp_dx")
def max_pool_bfp_dx(n: Node, g: Tensor, winner: Tensor, e: Tensor, out: Tensor) -> Tensor:
    share = shift_even(g.long(), over(out.long() - e.long(), g))
    share, winner = (t.expand(max(len(share), len(winner)), *t.shape[1:])
                     for t in aligned(share, winner))  # fmt: skip
    return _shares(n, g, share, winner).to(g.dtype)


@lowering("max_pool_dx")
def max_pool_dx(n: Node, g: Tensor, winner: Tensor) -> Tensor:
    g, winner = (t.expand(max(len(g), len(winner)), *t.shape[1:]) for t in aligned(g, winner))
    return _shares(n, g, g, winner)


@lowering("avg_pool_dx")
def avg_pool_dx(n: Node, g: Tensor) -> Tensor:
    window = Window.of(n, n.attrs["size"])
    area = areas(window, g)
    if n.attrs["count_padding"]:
        area = torch.full_like(area, prod(window.kernel))
    return _shares(n, g, g / area)


def _averages(out: int, size: int, like: Tensor) -> Tensor:
    """[out, size]: which elements of a line adaptive pooling averages, and how much each counts."""
    shares = like.new_zeros((out, size))
    for k in range(out):
        own = slice(k * size // out, -(-(k + 1) * size // out))
        shares[k, own] = 1 / (own.stop - own.start)
    return shares


def _both_averages(out: torch.Size, size: torch.Size, like: Tensor) -> list[Tensor]:
    """The matrices that average along H and along W, for maps [experiments,N,H,W,C]."""
    return [_averages(out[k], size[k], like) for k in (2, 3)]


@lowering("adaptive_avg_pool")
def adaptive_avg_pool(n: Node, x: Tensor) -> Tensor:
    size = torch.Size((1, *n.type.shape))
    return torch.einsum("enhwc,ih,jw->enijc", x, *_both_averages(size, x.shape, x))


@lowering("adaptive_avg_pool_dx")
def adaptive_avg_pool_dx(n: Node, g: Tensor) -> Tensor:
    size = torch.Size((1, *n.type.shape))
    return torch.einsum("enijc,ih,jw->enhwc", g, *_both_averages(g.shape, size, g))
