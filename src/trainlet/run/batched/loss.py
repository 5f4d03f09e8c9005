"""Losses and their gradients, in the operations and the order of the C kernels: the same bits."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.run.batched.lead import aligned
from trainlet.run.batched.sums import added
from trainlet.run.batched.table import meaning

_EXP = (1.98412698e-4, 1.38888889e-3, 8.33333333e-3, 4.16666667e-2, 1.66666667e-1, 0.5, 1.0, 1.0)
_LOG = (0.222222222, 0.285714286, 0.4, 0.666666667)
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4


def _horner(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    p = torch.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        p = p * x + c
    return p


def exp_f32(x: Tensor) -> Tensor:
    """kernels/reference/exp.h."""
    bounded = x.nan_to_num(0.0, float("inf"), -float("inf")).clamp(-104.0, 89.0)
    scaled = bounded * 1.44269504
    n = torch.where(scaled < 0, scaled - 0.5, scaled + 0.5).trunc()
    r = bounded - n * LN2_HIGH
    r = r - n * LN2_LOW
    n = n.to(torch.int32)
    half = torch.div(n, 2, rounding_mode="trunc")
    one, two = (((k + 127) << 23).view(torch.float32) for k in (half, n - half))
    made = torch.where(x < -104.0, 0.0, _horner(r, _EXP) * one * two)
    return torch.where(x.isnan(), x, made)


def log_f32(x: Tensor) -> Tensor:
    """kernels/reference/log.h."""
    tiny = (x > 0) & (x < 1.17549435e-38)
    bits = torch.where(tiny, x * 8388608.0, x).view(torch.int32)
    e = (bits >> 23) - torch.where(tiny, 127 + 23, 127)
    m = ((bits & 0x007FFFFF) | 0x3F800000).view(torch.float32)
    large = m > 1.41421356
    m, e = torch.where(large, m * 0.5, m), (e + large).float()
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    r = _horner(q, _LOG) * q * s + 2.0 * s
    made = e * LN2_HIGH + (r + e * LN2_LOW)
    made = torch.where(x == 0, -float("inf"), made)
    made = torch.where(x > 0, made, torch.where(x == 0, made, float("nan")))
    return torch.where(x == float("inf"), x, made)


def sigmoid_f32(x: Tensor) -> Tensor:
    """kernels/reference/sigmoid.h."""
    e = exp_f32(torch.where(x < 0, x, -x))
    return torch.where(x < 0, e, torch.ones_like(e)) / (1.0 + e)


def _total(terms: Tensor) -> Tensor:
    """The sum over the last axis, in order."""
    moved = terms.movedim(-1, 0)
    return added(torch.zeros_like(moved[0]), moved)


def _divisor(value: float, like: Tensor) -> Tensor:
    """A divisor on the device: on a GPU torch would multiply by the reciprocal of a number."""
    return torch.full((1,), value, dtype=torch.float32, device=like.device)


def _shifted(z: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """z less its largest, both of one lead; where the label is."""
    lead = max(len(z), len(label))
    z, label = (t.expand(lead, *t.shape[1:]) for t in aligned(z, label))
    return z - z.amax(2, keepdim=True), label.long()[..., None], z


@meaning("cross_entropy")
def cross_entropy(n: Node, z: Tensor, label: Tensor) -> Tensor:
    smoothing = n.attrs.get("smoothing", 0)
    shifted, label, _ = _shifted(z, label)
    mean = _total(shifted) / _divisor(z.shape[2], z)
    own = shifted.gather(2, label)[..., 0]
    smooth = torch.full_like(mean, smoothing)
    terms = log_f32(_total(exp_f32(shifted))) - (1.0 - smooth) * own - smooth * mean
    return (_total(terms) / _divisor(z.shape[1], z)).reshape(-1)


@meaning("cross_entropy_dz")
def cross_entropy_dz(n: Node, z: Tensor, label: Tensor) -> Tensor:
    shifted, label, _ = _shifted(z, label)
    e = exp_f32(shifted)
    smoothing = torch.full_like(e, n.attrs.get("smoothing", 0))
    right = torch.zeros_like(e).scatter_(2, label, 1.0) * (1.0 - smoothing)
    t = smoothing / _divisor(z.shape[2], z) + right
    return (e / _total(e)[..., None] - t) / _divisor(z.shape[1], z)


def _mean(terms: Tensor) -> Tensor:
    flat = terms.reshape(terms.shape[0], -1)
    return _total(flat) / _divisor(flat.shape[1], flat)


@meaning("mse")
def mse(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return _mean((z - t) * (z - t))


@meaning("mse_dz")
def mse_dz(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return 2.0 * (z - t) / _divisor(z[0].numel(), z)


@meaning("bce_with_logits")
def bce_with_logits(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    a = torch.where(z > 0, z, -z)
    return _mean(torch.where(z > 0, z, 0.0) - z * t + log_f32(1.0 + exp_f32(-a)))


@meaning("bce_with_logits_dz")
def bce_with_logits_dz(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return (sigmoid_f32(z) - t) / _divisor(z[0].numel(), z)


@meaning("bce")
def bce(n: Node, p: Tensor, t: Tensor) -> Tensor:
    p, t = aligned(p, t)
    logs = [log_f32(v) for v in (p, 1.0 - p)]
    one, zero = (torch.where(v < -100.0, -100.0, v) for v in logs)
    return _mean(-(t * one + (1.0 - t) * zero))


@meaning("bce_dz")
def bce_dz(n: Node, p: Tensor, t: Tensor) -> Tensor:
    p, t = aligned(p, t)
    spread = p * (1.0 - p)
    spread = torch.where(spread > 1e-12, spread, 1e-12)
    return (p - t) / spread / _divisor(p[0].numel(), p)


@meaning("softmax")
def softmax(n: Node, x: Tensor) -> Tensor:
    e = exp_f32(x - x.amax(-1, keepdim=True))
    return e / _total(e)[..., None]


@meaning("softmax_dx")
def softmax_dx(n: Node, g: Tensor, y: Tensor) -> Tensor:
    g, y = aligned(g, y)
    return y * (g - _total(g * y)[..., None])
