"""Weighted sums of slices along a dimension; the taps and weights are the same in all
experiments."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized.resample import UNIT


def _matrix(index: Tensor, weight: Tensor, taps: int, size: int) -> Tensor:
    """[slices of the result, slices of the input]."""
    rows = index[0].long().reshape(-1, taps)
    made = weight.new_zeros((len(rows), size))
    return made.scatter_add(1, rows, weight[0].reshape(-1, taps))


def _along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """matrix @ x along a dimension of each experiment's tensor."""
    return (x.movedim(axis + 1, -1) @ matrix.T).movedim(-1, axis + 1)


@lowering("resample")
def resample(n: Node, x: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    axis = n.attrs["axis"]
    return _along(x, _matrix(index, weight, n.attrs["taps"], x.shape[axis + 1]), axis)


@lowering("resample_dx")
def resample_dx(n: Node, g: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return _along(g, _matrix(index, weight, n.attrs["taps"], n.attrs["size"]).T, n.attrs["axis"])


@lowering("resample_i8")
def resample_i8(
    n: Node, x: Tensor, rows: Tensor, down: Tensor, columns: Tensor, across: Tensor
) -> Tensor:
    y = x.double()
    for axis, index, weight in ((1, rows, down), (2, columns, across)):
        y = _along(y, _matrix(index, weight.double() * UNIT, 2, x.shape[axis + 1]), axis)
    rounded = ((y.abs() + UNIT**2 // 2) / UNIT**2).floor()
    return (rounded * y.sign()).to(torch.int8)
