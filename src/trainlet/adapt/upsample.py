"""Bilinear up-sampling of maps [N,H,W,C] to any size, as torch does it without aligned corners."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ops.op import build, float32, leaf, typed
from trainlet.ops.quantized.resample import UNIT
from trainlet.ops.window import Size


def upsampled(x: Node, size: Size, name: str) -> tuple[Node, dict[str, np.ndarray]]:
    """x in height and width `size`, and the values of the constants that this reads, whose names
    begin with `name`; x itself where it has the size."""
    before = x.type.shape[1:3]
    if before == size:
        return x, {}
    integers = x.type.dtype == "int8"
    leaves: list[list[Node]] = []
    values: dict[str, np.ndarray] = {}
    for axis, n, m in zip("hw", before, size, strict=True):
        index, weight = _taps(n, m)
        if integers:  # each weight is a number of units, and two make 1
            second = np.rint(weight[1::2] * UNIT) / UNIT
            weight = np.stack([1 - second, second], 1).reshape(-1).astype(np.float32)
        own = {f"{name}.{axis}": index, f"{name}.{axis}.weights": weight}
        kinds = typed("int32", index.size), float32(weight.size)
        leaves.append([leaf("const", k, kind) for k, kind in zip(own, kinds, strict=True)])
        values |= own
    if integers:
        return build("resample_i8", x, *leaves[0], *leaves[1], label=name), values
    for axis, own in zip((1, 2), leaves, strict=True):
        x = build("resample", x, *own, axis=axis, taps=2, label=name)
    return x, values


def _taps(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Index and weight of the two slices that each slice of the result is made of."""
    place = np.maximum((np.arange(after) + 0.5) * (before / after) - 0.5, 0)
    first = np.minimum(np.floor(place).astype(np.int32), before - 1)
    second = np.minimum(first + 1, before - 1)
    share = place - first
    index = np.stack([first, second], 1).reshape(-1)
    return index, np.stack([1 - share, share], 1).reshape(-1).astype(np.float32)
