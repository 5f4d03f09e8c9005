"""Magnitudes of spectra as products with constants, and sums over bands."""

from __future__ import annotations

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, emits, shape
from trainlet.ir.graph import Node

FLOAT = 1
"""ONNX's number of float32."""


@emits("spectrogram")
def _spectrogram(at: Emitter, n: Node, x: str, window: str, turns: str) -> str:
    """Of all windows at once: the parts of each frequency, then their length."""
    rows, frames, bins = n.type.shape[0], n.attrs["frames"], n.attrs["bins"]
    taps = at.constants[window].astype(np.float64)
    places = n.attrs["hop"] * np.arange(frames)[:, None] + np.arange(len(taps))
    angles = 2 * np.pi * np.outer(np.arange(len(taps)), np.arange(bins)) / n.attrs["fft"]
    waves = np.stack([np.cos(angles), -np.sin(angles)]) * taps[:, None]
    whole = n.inputs[0].type.dtype == "int16"
    x = at.op("Cast", x, to=FLOAT) if whole else x
    parts = at.op("Gather", x, at.ints(places.reshape(-1)), axis=1)
    parts = at.reshape(parts, (rows * frames, len(taps)))
    made = [at.op("MatMul", parts, at.constant(wave.astype(np.float32))) for wave in waves]
    squares = [at.op("Mul", part, part) for part in made]
    return at.reshape(at.op("Sqrt", at.op("Add", *squares)), (rows, frames, bins))


@emits("banded_spectrogram")
def _banded(at: Emitter, n: Node, x: str, window: str, turns: str, taps: str, spans: str) -> str:
    return _sums(at, n.attrs["bins"], _spectrogram(at, n, x, window, turns), taps, spans)


@emits("bands")
def _bands(at: Emitter, n: Node, x: str, w: str, spans: str) -> str:
    return _sums(at, shape(n, 0)[-1], x, w, spans)


def _sums(at: Emitter, bins: int, x: str, w: str, spans: str) -> str:
    first, count = at.constants[spans]
    weight, start = np.zeros((bins, len(first)), np.float32), 0
    for band, (row, size) in enumerate(zip(first, count, strict=True)):
        weight[row : row + size, band] = at.constants[w][start : start + size]
        start += size
    return at.op("MatMul", x, at.constant(weight))


@emits("from_i16", "from_u8")
def _from_samples(at: Emitter, n: Node, x: str) -> str:
    return at.op("Cast", x, to=FLOAT)


@emits("peak_i16")
def _peak_i16(at: Emitter, n: Node, x: str) -> str:
    largest = at.op(
        "ReduceMax", at.op("Abs", at.op("Cast", x, to=FLOAT)), at.ints((1,)), keepdims=0
    )
    return at.reshape(largest, n.type.shape)
