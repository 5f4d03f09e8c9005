"""Sums of float32 values in the order in which the C kernels add."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned, products

LONGEST = 2048
"""A longer sum is added in whatever order is fast."""


def rows(x: Tensor) -> Tensor:
    """[E, ..., C] as [E, rows, C]."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def added(start: Tensor, terms: Tensor) -> Tensor:
    """((start + terms[0]) + terms[1]) + ...; terms [many, ...]."""
    if len(terms) > LONGEST:
        return start + terms.sum(0)
    total = start.expand(terms.shape[1:]).clone()
    for term in terms.unbind(0):
        total += term
    return total


def ordered_products(x: Tensor, w: Tensor) -> Tensor:
    """x [E, rows, K] times w [E, K, O]: [E, rows, O], added from the first k to the last."""
    x, w = aligned(x, w)
    if x.shape[2] > LONGEST:
        return products(x, w)
    total = x[:, :, :1] * w[:, :1]
    for k in range(1, x.shape[2]):
        total = total + x[:, :, k : k + 1] * w[:, k : k + 1]
    return total


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sums over the dimensions that broadcasting `shape` to that of x [E, ...] repeats."""
    axes = repeated_axes(x, shape)
    if not axes:
        return x.reshape(x.shape[0], *shape)
    kept = [k for k in range(x.ndim) if k not in axes]
    moved = x.permute(*axes, *kept)
    terms = moved.reshape(-1, *moved.shape[len(axes) :]).contiguous()
    if x.ndim > 3:
        return terms.sum(0).reshape(x.shape[0], *shape)
    return added(torch.zeros_like(terms[0]), terms).reshape(x.shape[0], *shape)


def repeated_axes(x: Tensor, shape: tuple[int, ...]) -> list[int]:
    """The dimensions that broadcasting `shape` to that of x [E, ...] repeats."""
    padded = (1,) * (x.ndim - 1 - len(shape)) + tuple(shape)
    return [k + 1 for k, (n, m) in enumerate(zip(x.shape[1:], padded, strict=True)) if n != m]
