"""Magnitudes of the spectra of windows of a signal, and sums over bands of them.

They are for what lies before the first layer that learns: they have no gradient.  `eval` makes the
same sums in the same order as the kernels, so float32 is equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, float32, register, require, typed

SMALLEST, LARGEST = 4, 1 << 15
"""Sizes of the transform; a power of two between them."""


def has_fast_transform(size: int) -> bool:
    """Whether `spectrogram` computes a transform of this size."""
    return SMALLEST <= size <= LARGEST and size & (size - 1) == 0


def turns(size: int) -> np.ndarray:
    """[size/2 + 1, 2]: cosine and negative sine of k / size of a turn."""
    k = np.arange(size // 2 + 1)
    waves = np.stack([np.cos(2 * np.pi * k / size), -np.sin(2 * np.pi * k / size)], 1)
    return np.where(np.abs(waves) < 1e-12, 0.0, waves).astype(np.float32)


@cache
def reversed_bits(count: int) -> np.ndarray:
    """The numbers below `count`, a power of two, with their bits in reverse."""
    order = np.zeros(1, int)
    while len(order) < count:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _fast_transform(real: np.ndarray, imag: np.ndarray, w: np.ndarray) -> None:
    """In place, the discrete Fourier transform of rows [R,m] in the order of reversed bits.

    Radix 2, decimation in time (Cooley and Tukey, 1965); w are `turns` of 2 m.
    """
    m = real.shape[1]
    half = 1
    while half < m:
        wr, wi = w[:: m // half][:half].T
        re, im = (part.reshape(len(part), -1, 2, half) for part in (real, imag))
        xr, xi = re[:, :, 1], im[:, :, 1]
        tr, ti = wr * xr - wi * xi, wr * xi + wi * xr
        re[:, :, 1], im[:, :, 1] = re[:, :, 0] - tr, im[:, :, 0] - ti
        re[:, :, 0], im[:, :, 0] = re[:, :, 0] + tr, im[:, :, 0] + ti
        half *= 2


def _infer(
    x: TensorType, window: TensorType, w: TensorType, *, fft: int, hop: int, frames: int, bins: int
) -> TensorType:
    require(has_fast_transform(fft), f"a transform of {fft}; allowed: a power of two, "
            f"{SMALLEST}..{LARGEST}")  # fmt: skip
    require(x.rank == 2 and hop > 0, f"{x}; allowed: [N,samples]")
    require(window.rank == 1 and window.size <= fft, f"window {window}; allowed: up to [{fft}]")
    require(w.shape == (fft // 2 + 1, 2), f"turns {w}; allowed: [{fft // 2 + 1},2]")
    require(0 < bins <= fft // 2 + 1, f"{bins} bins; allowed: up to {fft // 2 + 1}")
    last = (frames - 1) * hop + window.size
    require(frames > 0 and last <= x.shape[1], f"{frames} windows end at {last}, beyond {x}")
    return float32(x.shape[0], frames, bins)


def _magnitudes(
    x: np.ndarray, window: np.ndarray, w: np.ndarray, *, fft: int, hop: int, frames: int, bins: int
) -> np.ndarray:
    float_ = window.dtype.type
    places = hop * np.arange(frames)[:, None] + np.arange(len(window))
    rows = np.zeros((len(x) * frames, fft), window.dtype)
    taken = x[:, places].reshape(-1, len(window))
    rows[:, : len(window)] = taken.astype(window.dtype) * window
    m = fft // 2
    order = reversed_bits(m)
    real, imag = rows[:, 2 * order].copy(), rows[:, 2 * order + 1].copy()
    _fast_transform(real, imag, w)
    k = np.arange(bins)
    zr, zi, cr, ci = real[:, k % m], imag[:, k % m], real[:, (m - k) % m], imag[:, (m - k) % m]
    half, (wr, wi) = float_(0.5), w[:bins].T
    even = half * (zr + cr), half * (zi - ci)
    odd = half * (zi + ci), half * (cr - zr)
    re = even[0] + (wr * odd[0] - wi * odd[1])
    im = even[1] + (wr * odd[1] + wi * odd[0])
    return np.sqrt(re * re + im * im).reshape(len(x), frames, bins)


def _window_literals(n: Node) -> tuple[int, ...]:
    sizes = (n.attrs[name] for name in ("fft", "hop", "frames"))
    return *n.inputs[0].type.shape, n.inputs[1].type.size, *sizes


def _work(n: Node) -> int:
    """Products with windows, of the transform (4 in each of its butterflies), and of magnitudes."""
    m, bins = n.attrs["fft"] // 2, n.attrs["bins"]
    one = n.inputs[1].type.size + 2 * m * (m.bit_length() - 1) + 6 * bins
    return n.type.shape[0] * n.type.shape[1] * one


def _sample(x: TensorType, size: int, fft: int, **attrs: int) -> Sample:
    values: dict[int, Any] = {2: lambda rng: turns(fft)}
    if x.dtype == "int16":
        values[0] = lambda rng: rng.integers(-(1 << 15), 1 << 15, x.shape)
    return Sample((x, float32(size), float32(fft // 2 + 1, 2)), {"fft": fft, **attrs}, values)


SPECTROGRAM = register(
    Op(
        "spectrogram",
        infer=_infer,
        eval=_magnitudes,
        kernel=lambda n: "spectrogram_i16" if n.inputs[0].type.dtype == "int16" else n.op,
        variants=("spectrogram_i16",),
        call=lambda n: (*_window_literals(n), n.attrs["bins"]),
        workspace=lambda n: 4 * n.attrs["fft"],
        macs=_work,
        samples=[
            _sample(float32(2, 40), 16, 16, hop=8, frames=4, bins=9),
            _sample(float32(1, 70), 30, 64, hop=20, frames=3, bins=20),
            _sample(typed("int16", 1, 40), 4, 4, hop=3, frames=5, bins=3),
            _sample(typed("int16", 2, 300), 250, 256, hop=50, frames=2, bins=129),
        ],
    )
)


def _infer_bands(x: TensorType, w: TensorType, spans: TensorType, *, longest: int) -> TensorType:
    """longest: elements of the longest span."""
    require(spans.dtype == "int32" and spans.rank == 2 and spans.shape[0] == 2,
            f"spans {spans}; allowed: int32[2,bands]")  # fmt: skip
    require(w.rank == 1 and x.rank >= 1, f"input {x} and weights {w}")
    return x.with_shape((*x.shape[:-1], spans.shape[1]))


def _bands(x: np.ndarray, w: np.ndarray, spans: np.ndarray, *, longest: int) -> np.ndarray:
    first, count = spans.astype(int)
    at = np.concatenate([[0], np.cumsum(count)[:-1]])
    y = np.zeros((*x.shape[:-1], len(first)), x.dtype)
    for k in range(longest):
        more = np.flatnonzero(count > k)
        y[..., more] += x[..., first[more] + k] * w[at[more] + k]
    return y


def band_spans(weight: np.ndarray) -> np.ndarray:
    """[2,bands]: for each row of a weight [bands,K] its first element that is not 0, and how many
    follow up to its last one."""
    used = weight != 0
    first = np.where(used.any(1), used.argmax(1), 0)
    last = np.where(used.any(1), weight.shape[1] - used[:, ::-1].argmax(1), 0)
    return np.stack([first, last - first]).astype(np.int32)


def in_bands(weight: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """The elements of the rows between their first and their last, one row after the other."""
    rows: Sequence[np.ndarray] = [row[a : a + n] for row, a, n in zip(weight, *spans, strict=True)]
    return np.concatenate(rows).astype(np.float32)


_SPANS = np.array([[0, 1, 5, 0], [1, 4, 2, 0]])

BANDS = register(
    Op(
        "bands",
        infer=_infer_bands,
        eval=_bands,
        call=lambda n: (
            prod(n.type.shape[:-1]),
            n.inputs[0].type.shape[-1],
            n.type.shape[-1],
        ),
        macs=lambda n: prod(n.type.shape[:-1]) * n.inputs[1].type.size,
        samples=[
            Sample(
                (float32(*x), float32(7), typed("int32", 2, 4)),
                {"longest": 4},
                {2: lambda rng: _SPANS},
            )
            for x in ((3, 7), (2, 3, 7))
        ],
    )
)


def _infer_banded(
    x: TensorType, window: TensorType, w: TensorType, taps: TensorType, spans: TensorType,
    *, longest: int, **attrs: int,
) -> TensorType:  # fmt: skip
    return _infer_bands(_infer(x, window, w, **attrs), taps, spans, longest=longest)


def _banded(
    x: np.ndarray, window: np.ndarray, w: np.ndarray, taps: np.ndarray, spans: np.ndarray,
    *, longest: int, **attrs: int,
) -> np.ndarray:  # fmt: skip
    return _bands(_magnitudes(x, window, w, **attrs), taps, spans, longest=longest)


def _banded_sample(sample: Sample) -> Sample:
    types = (*sample.types, float32(7), typed("int32", 2, 4))
    values = {**sample.values, 4: lambda rng: np.array([[0, 1, 2, 0], [1, 2, 1, 0]])}
    return Sample(types, {**sample.attrs, "longest": 2}, values)


register(
    Op(
        "banded_spectrogram",
        infer=_infer_banded,
        eval=_banded,
        kernel=lambda n: f"{n.op}_i16" if n.inputs[0].type.dtype == "int16" else n.op,
        variants=("banded_spectrogram_i16",),
        call=lambda n: (*_window_literals(n), n.attrs["bins"], n.type.shape[2]),
        workspace=lambda n: 4 * (n.attrs["fft"] + n.attrs["bins"]),
        macs=lambda n: _work(n) + n.type.shape[0] * n.type.shape[1] * n.inputs[3].type.size,
        samples=[_banded_sample(sample) for sample in SPECTROGRAM.samples],
    )
)


def with_bands(n: Node, spans: np.ndarray) -> Node:
    """Bands of a spectrogram as one operator, which keeps the spectrum of one window at a time, and
    of it the bins that they read; spans: the value of theirs."""
    source, bins = n.inputs[0], max(1, int(spans.sum(0).max()))
    attrs = {**source.attrs, **n.attrs, "bins": bins}
    return build("banded_spectrogram", *source.inputs, *n.inputs[1:], label=n.name, **attrs)
