"""TensorFlow Lite's rescaling on int64 tensors; as ops/quantized/fixed_point.py."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.run.batched.lead import prepared


@dataclass(frozen=True)
class Factor:
    """x * multiplier / 2^31 * 2^shift.

    multiplier, left, right: int64, broadcast along the last axis
    """

    multiplier: Tensor | int
    left: Tensor | int
    right: Tensor | int
    shifts_left: bool
    shifts_right: bool

    @staticmethod
    def of(q: Tensor) -> Factor:
        """q int32 [1, 2, O], multipliers above shifts."""

        def make(q: Tensor) -> Factor:
            multiplier, shift = q[0].long()
            left, right = shift.clamp(min=0), (-shift).clamp(min=0)
            return Factor(multiplier, left, right, bool(left.any()), bool((right > 0).all()))

        return prepared(q, "factor", make)

    @staticmethod
    def scalar(multiplier: int, shift: int) -> Factor:
        return Factor(multiplier, max(shift, 0), max(-shift, 0), shift > 0, shift < 0)


def wrapped(x: Tensor) -> Tensor:
    """int64 values as a 32-bit register would hold them."""
    return x.to(torch.int32).long()


def rescale(x: Tensor, by: Factor) -> Tensor:
    """In 32-bit arithmetic, rounded twice, halves away from zero in the second; int64."""
    if by.shifts_left:
        x = wrapped(x.long() << by.left)
    product = x.long() * by.multiplier if isinstance(by.multiplier, int) else x * by.multiplier
    product += 1 << 30
    product >>= 31
    half = (1 << by.right) >> 1  # type: ignore[operator]
    if by.shifts_right:
        product += product >> 63
    else:
        product += (product >> 63) & _where_positive(by.right)
    product += half
    product >>= by.right
    return product


def _where_positive(shift: Tensor | int) -> Tensor | int:
    """-1, a mask of all bits, where there is a shift; else 0."""
    return -(shift > 0).long() if isinstance(shift, Tensor) else -int(shift > 0)


def rescale_once(x: Tensor, by: Factor) -> Tensor:
    """The same product rounded once, from 64 bits, halves away from zero."""
    total = 31 - by.left + by.right
    product = x.long() * by.multiplier
    product += product >> 63
    product += 1 << (total - 1)  # type: ignore[operator]
    product >>= total
    return product


def clamped(x: Tensor, n: Node) -> Tensor:
    """x + zero point within the node's clamp, int8; x is int64 and may be overwritten."""
    x += n.attrs["zero_point"]
    return x.clamp_(n.attrs["low"], n.attrs["high"]).to(torch.int8)
