"""Samples of a sensor, and magnitudes of spectra: the kernels' sums in the kernels' order."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.spectrum import reversed_bits


@lowering("from_i16", "from_u8")
def from_samples(n: Node, x: Tensor) -> Tensor:
    return x.float()


@lowering("peak_i16")
def peak_i16(n: Node, x: Tensor) -> Tensor:
    largest = x.int().abs().amax(-1).float()
    return largest.reshape(x.shape[0], *n.type.shape)


def _fast_transform(real: Tensor, imag: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Of rows [R,m] in the order of reversed bits; w [m+1,2]."""
    rows, m = real.shape
    half = 1
    while half < m:
        wr, wi = w[:: m // half][:half].T
        re, im = (part.reshape(rows, -1, 2, half) for part in (real, imag))
        xr, xi = re[:, :, 1], im[:, :, 1]
        tr, ti = wr * xr - wi * xi, wr * xi + wi * xr
        real = torch.stack([re[:, :, 0] + tr, re[:, :, 0] - tr], 2).reshape(rows, m)
        imag = torch.stack([im[:, :, 0] + ti, im[:, :, 0] - ti], 2).reshape(rows, m)
        half *= 2
    return real, imag


@lowering("spectrogram")
def spectrogram(n: Node, x: Tensor, window: Tensor, w: Tensor) -> Tensor:
    fft, bins = n.attrs["fft"], n.attrs["bins"]
    window, w, m = window[0], w[0], fft // 2
    places = n.attrs["hop"] * torch.arange(n.attrs["frames"], device=x.device)[:, None]
    taken = x[..., places + torch.arange(len(window), device=x.device)].float() * window
    rows = torch.nn.functional.pad(taken.reshape(-1, len(window)), (0, fft - len(window)))
    order = torch.as_tensor(reversed_bits(m), device=x.device)
    real, imag = _fast_transform(rows[:, 2 * order], rows[:, 2 * order + 1], w)
    k = torch.arange(bins, device=x.device)
    zr, zi, cr, ci = real[:, k % m], imag[:, k % m], real[:, (m - k) % m], imag[:, (m - k) % m]
    wr, wi = w[:bins].T
    even, odd = (0.5 * (zr + cr), 0.5 * (zi - ci)), (0.5 * (zi + ci), 0.5 * (cr - zr))
    re = even[0] + (wr * odd[0] - wi * odd[1])
    im = even[1] + (wr * odd[1] + wi * odd[0])
    shape = n.inputs[0].type.shape[0], n.attrs["frames"], bins
    return (re * re + im * im).sqrt().reshape(x.shape[0], *shape)


@lowering("banded_spectrogram")
def banded_spectrogram(
    n: Node, x: Tensor, window: Tensor, w: Tensor, taps: Tensor, spans: Tensor
) -> Tensor:
    return bands(n, spectrogram(n, x, window, w), taps, spans)


@lowering("bands")
def bands(n: Node, x: Tensor, w: Tensor, spans: Tensor) -> Tensor:
    first, count = spans[0].long()
    k = torch.arange(n.attrs["longest"], device=x.device)
    inside, ends = k < count[:, None], (x.shape[-1] - 1, w.shape[-1] - 1)
    of_x, of_w = ((a[:, None] + k).clamp(max=end) for a, end in
                  zip((first, count.cumsum(0) - count), ends, strict=True))  # fmt: skip
    products = x[..., of_x] * torch.where(inside, w[0][of_w], 0.0)
    y = products[..., 0]
    for j in range(1, n.attrs["longest"]):
        y = y + products[..., j]
    return y
