"""RESIZE_BILINEAR: two taps a row and two a column, as LiteRT computes their weights."""

from __future__ import annotations

import numpy as np

from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Operator
from trainlet.ir.graph import Node
from trainlet.ops.op import require
from trainlet.ops.quantized.resample import UNIT


def _taps(before: int, after: int, corners: bool, half: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index and weight of float32."""
    ends, places = corners and after > 1, np.arange(after, dtype=np.float32)
    scale = np.float32(before - ends) / np.float32(after - ends)
    real = (places + np.float32(0.5)) * scale - np.float32(0.5) if half else places * scale
    first = np.maximum(np.floor(real), 0)
    second = np.minimum(np.ceil(real), before - 1)
    share = real - first
    return _paired(first, second), np.stack([1 - share, share], 1).reshape(-1)


def _integer_taps(
    before: int, after: int, corners: bool, half: bool
) -> tuple[np.ndarray, np.ndarray]:
    """In units of 2^-10."""
    ends, places = corners and after > 1, np.arange(after)
    scale = (UNIT * (before - ends) + (after - ends) // 2) // (after - ends)
    scaled = places * scale + scale // 2 - UNIT // 2 if half else places * scale
    first = np.maximum(np.trunc(scaled / UNIT).astype(int), 0)
    second = np.minimum(np.trunc((scaled + UNIT - 1) / UNIT).astype(int), before - 1)
    share = (scaled - UNIT * first) / UNIT
    return _paired(first, second), np.stack([1 - share, share], 1).reshape(-1)


def _paired(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], 1).reshape(-1).astype(np.int32)


def _bilinear(at: Builder, operator: Operator) -> Node:
    """The file declares the size of the result."""
    options, x = operator.options("ResizeBilinearOptions"), at.input(0)
    at.named("resize")
    shape = at.output().shape
    require(x.type.rank == len(shape) == 4, f"input {x.type} must have four dimensions")
    how = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    integers = x.type.dtype == "int8"
    sizes = zip(x.type.shape[1:3], shape[1:3], strict=True)
    pairs = [(_integer_taps if integers else _taps)(*size, *how) for size in sizes]
    leaves = [
        (at.made("taps", index), at.made("weights", weight.astype(np.float32)))
        for index, weight in pairs
    ]
    if integers:
        return at.build("resample_i8", x, *leaves[0], *leaves[1])
    for axis, taps in enumerate(leaves, 1):
        x = at.build("resample", x, *taps, axis=axis, taps=2)
    return x


RESIZERS = {"RESIZE_BILINEAR": _bilinear}
