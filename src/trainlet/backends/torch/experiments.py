"""The experiment axis, the first of every value: an entry for each experiment, or one for all.

Where a prediction runs many batches of each experiment, a value has experiments * batches entries,
an experiment's together; so of two such sizes the smaller always divides the larger.
"""

from __future__ import annotations

import torch
from torch import Tensor


def repeated(x: Tensor, size: int) -> Tensor:
    """x with an experiment axis that broadcasts to `size`."""
    if x.shape[0] in (1, size):
        return x
    return x.repeat_interleave(size // x.shape[0], 0)


def aligned(*tensors: Tensor) -> list[Tensor]:
    """All with experiment axes that broadcast to the largest."""
    size = max(t.shape[0] for t in tensors)
    return [repeated(t, size) for t in tensors]


def fitted(*tensors: Tensor) -> list[Tensor]:
    """The same, with as many dimensions as the largest has: shapes align on the right, as in
    NumPy, behind the experiment axis."""
    rank = max(t.ndim for t in tensors)
    return [t.reshape(t.shape[0], *[1] * (rank - t.ndim), *t.shape[1:]) for t in aligned(*tensors)]


def over(scalars: Tensor, like: Tensor) -> Tensor:
    """One number an experiment, shaped to broadcast over `like`."""
    return scalars.reshape(-1, *[1] * (like.ndim - 1))


def largest(x: Tensor) -> Tensor:
    """max abs of each experiment, int64 [E]."""
    flat = x.reshape(x.shape[0], -1)
    return torch.maximum(flat.amax(1).long(), -flat.amin(1).long())


def products(x: Tensor, w: Tensor) -> Tensor:
    """x [L, rows, K] times w [M, K, O]: [E, rows, O].

    A shared w is multiplied with the rows of all experiments at once.
    """
    size = max(x.shape[0], w.shape[0])
    if w.shape[0] == 1:
        return (x.reshape(-1, x.shape[-1]) @ w[0]).reshape(size, x.shape[1], -1)
    if x.shape[0] < size:
        x = x.expand(size, -1, -1)
    grouped = x.reshape(w.shape[0], -1, x.shape[-1])
    return torch.bmm(grouped, w).reshape(size, x.shape[1], -1)


def inner_products(g: Tensor, x: Tensor) -> Tensor:
    """g [L, rows, O]' times x [L, rows, K]: [E, O, K]."""
    g, x = aligned(g, x)
    return torch.matmul(g.transpose(1, 2), x)
