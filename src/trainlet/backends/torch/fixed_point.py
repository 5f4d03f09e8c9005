"""TensorFlow Lite's rescaling, bit for bit; as ops/quantized/fixed_point.py.

Integers up to 2^53 lie in float64, whose products are several times as fast as those of int64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainlet.backends.torch.eager import is_eager, prepared
from trainlet.ir.graph import Node

SMALL = 1 << 22
"""A product with a multiplier below 2^31 has 53 bits."""

AWAY = 1 + 2.0**-38
"""Moves a half away from zero, and no other 32-bit integer / 2^shift across a half."""


@dataclass(frozen=True)
class Factor:
    """x * multiplier / 2^31 * 2^(left - right), along the last axis.

    whole:     multiplier / 2^31
    high, low: its upper 15 and its lower 16 bits, / 2^15 and / 2^16
    down:      2^-right
    shifts_left: whether any `left` is above 0; true where nobody may look
    """

    multiplier: Tensor
    left: Tensor
    right: Tensor
    shifts_left: bool
    whole: Tensor
    high: Tensor
    low: Tensor
    down: Tensor

    @staticmethod
    def of(q: Tensor) -> Factor:
        """q int32 [1, 2, O], multipliers above shifts."""
        return prepared(q, "factor", Factor._of_channels)

    @staticmethod
    def _of_channels(q: Tensor) -> Factor:
        multiplier, shift = q[0].long()
        return Factor._made(multiplier, shift, not is_eager() or bool((shift > 0).any()))

    @staticmethod
    def _made(multiplier: Tensor, shift: Tensor, shifts_left: bool) -> Factor:
        left, right, m = shift.clamp(min=0), (-shift).clamp(min=0), multiplier.double()
        high, low = (multiplier >> 16).double() / 2**15, (multiplier & 0xFFFF).double() / 2**16
        down = ((1023 - right) << 52).view(torch.float64)
        return Factor(multiplier, left, right, shifts_left, m / 2**31, high, low, down)

    @staticmethod
    def scalar(multiplier: int, shift: int, device: torch.device) -> Factor:
        both = torch.tensor([multiplier, shift], device=device)
        return Factor._made(both[0], both[1], shift > 0)


def rescaled(x: Tensor, by: Factor, n: Node, small: bool = False) -> Tensor:
    """x, 32-bit integers in float64, rescaled in 32-bit arithmetic: rounded twice, halves away from
    zero in the second. The node's zero point is then added and the result clamped to int8.

    small: no abs(x) is above SMALL.
    """
    if by.shifts_left:
        x, small = (x.long() << by.left).to(torch.int32).double(), False
    if small:
        product = (x * by.whole).add_(0.5)
    else:
        product = (x * by.low).add_(2.0**14).floor_().mul_(2.0**-15).addcmul_(x, by.high)
    product.floor_().mul_(by.down * AWAY).add_(0.5 + n.attrs["zero_point"]).floor_()
    return product.clamp_(n.attrs["low"], n.attrs["high"]).to(torch.int8)


def biased(total: Tensor, bias: Tensor, bound: int) -> tuple[Tensor, bool]:
    """total + bias as a 32-bit register holds it, in float64, and whether all are small.

    bound: of abs(total), an integer in a float type.
    """
    if is_eager() and total.device.type == "cpu":  # elsewhere, to ask would be to wait
        bound += int(bias.abs().amax())
        if 0 <= bound <= SMALL:
            return total.double() + bias, True
    return (total.to(torch.int32) + bias).double(), False


def rescale_once(x: Tensor, by: Factor) -> Tensor:
    """x int32 * the factor, rounded once, from 64 bits, halves away from zero; int64."""
    total = 31 - by.left + by.right
    product = x.long() * by.multiplier
    product += product >> 63
    product += 1 << (total - 1)
    product >>= total
    return product


def clamped(x: Tensor, n: Node) -> Tensor:
    """x + zero point within the node's clamp, int8; x is int64 and may be overwritten."""
    x += n.attrs["zero_point"]
    return x.clamp_(n.attrs["low"], n.attrs["high"]).to(torch.int8)
