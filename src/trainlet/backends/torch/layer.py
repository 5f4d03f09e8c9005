"""What the gradients of layers in block floating point have in common.

Integers up to 2^53 lie in float64: a shift to the right is a product with 2^-shift, rounded down.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainlet.backends.torch.eager import prepared, taken
from trainlet.backends.torch.exact import farthest, float_for
from trainlet.backends.torch.experiments import aligned, largest, over
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import real_input
from trainlet.ir.graph import Node
from trainlet.ops.quantized.gradient.block import LIMIT
from trainlet.ops.quantized.gradient.exponent import ACCUMULATED

MOST_SHIFTS = 48


def power_of_two(e: Tensor) -> Tensor:
    """2^e float32, within what a normal one can say; e of integers."""
    return ((e.clamp(-126, 127) + 127) << 23).to(torch.int32).view(torch.float32)


def _double_power(e: Tensor) -> Tensor:
    return ((e.long() + 1023) << 52).view(torch.float64)


def shift_round(x: Tensor, shift: Tensor) -> Tensor:
    """x / 2^shift, rounded, halves up; x float64, shift int64."""
    x = x * _double_power(-shift)
    x += torch.where(shift > 0, 0.5, 0.0).to(x)
    return x.floor_()


def bits_before(total: Tensor, gain: Tensor) -> Tensor:
    """Of all bits that a layer drops, those before its products are summed; integers."""
    whole = torch.frexp(gain.to(torch.float64))[1] - 1
    return total - torch.minimum(total, whole.clamp(max=ACCUMULATED))


def shifts(r: Tensor, e: Tensor, gain: Tensor, bound: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """The shifts of a layer's factors and of its sums, int64 [E]."""
    e, gain, bound, out = aligned(e.long(), gain.long(), bound.long(), out.long())
    own = e + r[:, -1].long() - 15
    before = bits_before(bound - own, gain)
    return before, out - own - before


def dropped(g: Tensor, r: Tensor, e: Tensor, gain: Tensor, bound: Tensor) -> Tensor:
    """The factors of a layer's sums, float64: mantissas times scales, less the bits that leave 16
    of them, and 31 of the sums."""
    scales = prepared(r, "scales", lambda r: r[:, :-1].to(torch.float64))
    scaled = g.to(torch.float64) * scales.reshape(1, *[1] * (g.ndim - 2), -1)
    return shift_round(scaled, over(shifts(r, e, gain, bound, bound)[0], scaled))


def rounded(sums: Tensor, r: Tensor, e: Tensor, gain: Tensor, bound: Tensor, out: Tensor) -> Tensor:
    """The sums as mantissas."""
    return shift_round(sums, over(shifts(r, e, gain, bound, out)[1], sums))


def first_shift(fits: Tensor) -> Tensor:
    """fits bool [E, shifts]: the first shift that fits, int64 [E]."""
    return fits.to(torch.int8).argmax(1)


def exponent_of_sums(sums: Tensor, r: Tensor, e: Tensor, gain: Tensor, bound: Tensor) -> Tensor:
    """What the largest of a layer's sums needs in int8 mantissas."""
    top = largest(sums)[:, None]
    s = torch.arange(MOST_SHIFTS, device=sums.device)
    fits = (top + ((1 << s) >> 1)) >> s <= LIMIT["int8"]
    before = shifts(r, e, gain, bound, bound)[0]
    return (e.long() + r[:, -1].long() - 15 + before + first_shift(fits)).to(torch.int32)


def input_gradients(name: str, sums: Callable[[Node, Tensor, Tensor], Tensor]) -> None:
    """Register a layer's input gradient, and the op of its exponent for int8 mantissas, which
    computes the same sums.

    sums: (node, factors, weight) -> the exact sums of their products, [E, ..]
    """

    @lowering(f"{name}_bfp_exponent")
    def exponent(
        n: Node, g: Tensor, w: Tensor, r: Tensor, e: Tensor, gain: Tensor, bound: Tensor
    ) -> Tensor:
        key = n.inputs[1]
        total = prepared(g, key, lambda g: sums(n, dropped(g, r, e, gain, bound), w))
        return exponent_of_sums(total, r, e, gain, bound)

    @lowering(f"{name}_bfp_dx")
    def dx(
        n: Node, g: Tensor, w: Tensor, r: Tensor, e: Tensor, gain: Tensor, bound: Tensor,
        out: Tensor,
    ) -> Tensor:  # fmt: skip
        total = taken(g, n.inputs[1], lambda g: sums(n, dropped(g, r, e, gain, bound), w))
        return rounded(total, r, e, gain, bound, out).to(g.dtype).reshape(-1, *n.type.shape)


def map_gradients(name: str, sums: Callable[[Node, Tensor, Tensor], Tensor]) -> None:
    """Enter the input gradients of a layer of maps: in float32, of int8 weights, and of mantissas.

    sums: (node, gradient, weight) -> the sums of their products, in the float type of both
    """
    lowering(f"{name}_dx")(sums)

    @lowering(f"{name}_i8_dx")
    def of_bytes(n: Node, g: Tensor, w: Tensor, s: Tensor) -> Tensor:
        return sums(n, g * s.reshape(-1, 1, 1, 1, s.shape[1]), w)

    input_gradients(name, sums)


def weight_gradients(name: str, sums: Callable[[Node, Tensor, Tensor], Tensor]) -> None:
    """Enter the weight gradients of a layer of maps: in float32, of int8 maps, and of mantissas.

    sums: (node, gradient, input) -> the sums of their products, in the float type of both
    """
    lowering(f"{name}_dw")(sums)

    @lowering(f"{name}_i8_dw")
    def of_bytes(n: Node, g: Tensor, x: Tensor) -> Tensor:
        return sums(n, g, real_input(x, n.attrs["zero"], torch.float32)) * n.attrs["scale"]

    @lowering(f"{name}_bfp_dw")
    def of_mantissas(n: Node, g: Tensor, x: Tensor, e: Tensor) -> Tensor:
        exact = gradient_float(g, n.attrs["zero"], g[0, ..., 0].numel())
        total = sums(n, g.to(exact), real_input(x, n.attrs["zero"], exact))
        return real_sums(total, e, n.attrs["scale"])


def gradient_float(g: Tensor, zero: int, terms: int) -> torch.dtype:
    """Of sums of `terms` products of a mantissa and x - zero."""
    return float_for(terms * LIMIT[str(g.dtype).removeprefix("torch.")] * farthest(zero))


def real_sums(total: Tensor, e: Tensor, scale: float) -> Tensor:
    """Exact sums of mantissas times integers of `scale`, in real units, rounded to float32."""
    power = power_of_two(e)
    return total.float() * over(power * torch.full_like(power, scale), total)
