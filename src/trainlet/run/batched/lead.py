"""The leading axis of values: one entry for each experiment, or one that all share.

Where a prediction runs many batches of each experiment, a value has experiments * batches entries,
an experiment's together; so of two leads the smaller always divides the larger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_PREPARED: Any = WeakIdKeyDictionary()


def prepared(source: Tensor, key: Any, make: Callable[[Tensor], Any]) -> Any:
    """make(source), kept as long as `source` lives: constants are converted once."""
    made = _PREPARED.setdefault(source, {})
    if key not in made:
        made[key] = make(source)
    return made[key]


def taken(source: Tensor, key: Any, make: Callable[[Tensor], Any]) -> Any:
    """What was prepared, for the last time."""
    made = _PREPARED.get(source, {})
    return made.pop(key) if key in made else make(source)


def spread(x: Tensor, size: int) -> Tensor:
    """x with a lead that broadcasts to `size`."""
    if x.shape[0] in (1, size):
        return x
    return x.repeat_interleave(size // x.shape[0], 0)


def aligned(*tensors: Tensor) -> list[Tensor]:
    """All with leads that broadcast to the largest."""
    size = max(t.shape[0] for t in tensors)
    return [spread(t, size) for t in tensors]


def fitted(*tensors: Tensor) -> list[Tensor]:
    """The same, with as many dimensions as the largest has: shapes align on the right, as in
    NumPy, behind the lead."""
    rank = max(t.ndim for t in tensors)
    return [t.reshape(t.shape[0], *[1] * (rank - t.ndim), *t.shape[1:]) for t in aligned(*tensors)]


def over(scalars: Tensor, like: Tensor) -> Tensor:
    """One number an experiment, shaped to broadcast over `like`."""
    return scalars.reshape(-1, *[1] * (like.ndim - 1))


def largest(x: Tensor) -> Tensor:
    """max abs of each experiment, int64 [lead]."""
    flat = x.reshape(x.shape[0], -1)
    return torch.maximum(flat.amax(1).long(), -flat.amin(1).long())


def products(x: Tensor, w: Tensor) -> Tensor:
    """x [L, rows, K] times w [M, K, O]: [lead, rows, O].

    A shared w meets the rows of all experiments at once.
    """
    size = max(x.shape[0], w.shape[0])
    if w.shape[0] == 1:
        return (x.reshape(-1, x.shape[-1]) @ w[0]).reshape(size, x.shape[1], -1)
    if x.shape[0] < size:
        x = x.expand(size, -1, -1)
    grouped = x.reshape(w.shape[0], -1, x.shape[-1])
    return torch.bmm(grouped, w).reshape(size, x.shape[1], -1)


def inner_products(g: Tensor, x: Tensor) -> Tensor:
    """g [L, rows, O]' times x [L, rows, K]: [lead, O, K]."""
    g, x = aligned(g, x)
    return torch.matmul(g.transpose(1, 2), x)
