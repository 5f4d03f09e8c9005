"""Linear and cubic up-sampling: what torch makes of unit vectors tells the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from trainlet.frontends.aten.table import Builder, aten
from trainlet.frontends.importer import TO_LAST, Importer
from trainlet.ir.graph import Node
from trainlet.ops.layout import inverse
from trainlet.ops.quantized.resample import UNIT


def _resized(name: str) -> Builder:
    """The builder of an operator that is resampling along each dimension of a map or sequence."""

    def build(
        at: Importer, x: Node, size: Sequence[int] | None, corners: bool, *scales: Any
    ) -> Node:
        given: list[float | None] = [*scales[0]] if _is_list(scales[0]) else [*scales]
        axes = range(2, x.type.rank)
        given = given if len(given) == len(axes) else [None] * len(axes)
        if size is None:
            size = [int(x.type.shape[k] * s) for k, s in zip(axes, given, strict=True)]  # type: ignore[operator]
        weights = [
            _weights(name, x.type.shape[k], m, corners, s)
            for k, m, s in zip(axes, size, given, strict=True)
        ]
        if x.type.dtype == "int8":
            return _of_integers(at, x, weights)
        for axis, own in zip(axes, weights, strict=True):
            x = resampled(at, x, axis, own)
        return x

    return build


def resampled(at: Importer, x: Node, axis: int, weights: np.ndarray) -> Node:
    """x along an axis; weights [after, before]: what a slice of the result takes of each of x."""
    if np.array_equal(weights, np.eye(x.type.shape[axis])):
        return x
    index, weight, taps = _taps(weights)
    return at.build("resample", x, *_leaves(at, index, weight), axis=axis, taps=taps)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _weights(name: str, before: int, after: int, corners: bool, scale: float | None) -> np.ndarray:
    """[after, before]: what each slice of the result takes of each of the input."""
    operator: Any = getattr(torch.ops.aten, name).default
    one = torch.eye(before)[None]
    if name.endswith("1d"):
        made = operator(one, [after], corners, scale)[0]
    else:
        wide = one[..., None].expand(-1, -1, -1, 2).contiguous()  # torch errs where it is 1 wide
        made = operator(wide, [after, 2], corners, scale, None)[0, ..., 0]
    return made.T.numpy()


def _taps(weights: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray, int]:
    """Index and weight of each slice's taps; where it has fewer than others, some weigh nothing."""
    taps = max(least, int((weights != 0).sum(1).max()))
    order = np.sort(np.argsort(weights == 0, 1, kind="stable")[:, :taps], 1)
    if order.shape[1] < taps:  # of one slice there is no second
        order = np.repeat(order, taps, 1)
        weights = np.concatenate([weights, np.zeros_like(weights)], 1)
        return order.reshape(-1), weights.reshape(-1), taps
    return order.reshape(-1), np.take_along_axis(weights, order, 1).reshape(-1), taps


def _leaves(at: Importer, index: np.ndarray, weight: np.ndarray) -> tuple[Node, Node]:
    name = f"{at.label}.taps"
    return at.index(index, name), at.const(weight, f"{name}.weights")


def _of_integers(at: Importer, x: Node, weights: Sequence[np.ndarray]) -> Node:
    """Both dimensions at once; of a sequence, with a height of 1."""
    if len(weights) == 1:
        n, c, length = x.type.shape
        y = _of_integers(at, at.reshape(x, (n, c, 1, length)), [np.ones((1, 1)), *weights])
        return at.reshape(y, (n, c, y.type.shape[3]))
    leaves: list[Node] = []
    for own in weights:
        index, weight, _ = _taps(own, 2)
        second = np.rint(weight[1::2] * UNIT) / UNIT
        leaves += _leaves(at, index, np.stack([1 - second, second], 1).reshape(-1))
    y = at.build("resample", at.permute(x, *TO_LAST), *leaves)
    return at.permute(y, *inverse(TO_LAST))


LINEAR = ("upsample_linear1d", "upsample_bilinear2d")

for _name in (*LINEAR, "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"):
    aten(_name)(_resized(_name))
