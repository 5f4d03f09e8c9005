"""Losses and their gradients, in the operations and the order of the C kernels: the same bits."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.functions import exp_f32, log_f32, sigmoid_f32
from trainlet.backends.torch.sums import added
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node


def _total(terms: Tensor) -> Tensor:
    """The sum over the last axis, in order."""
    moved = terms.movedim(-1, 0)
    return added(torch.zeros_like(moved[0]), moved)


def _divisor(value: float, like: Tensor) -> Tensor:
    """A divisor on the device: on a GPU torch would multiply by the reciprocal of a number."""
    return torch.full((1,), value, dtype=torch.float32, device=like.device)


def _shifted(z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """z minus its maximum, and a mask of the label's position; both have the same number of
    experiments."""
    experiments = max(len(z), len(label))
    z, label = (t.expand(experiments, *t.shape[1:]) for t in aligned(z, label))
    return z - z.amax(2, keepdim=True), label.long()[..., None]


@lowering("cross_entropy")
def cross_entropy(n: Node, z: Tensor, label: Tensor) -> Tensor:
    smoothing = n.attrs.get("smoothing", 0)
    shifted, label = _shifted(z, label)
    mean = _total(shifted) / _divisor(z.shape[2], z)
    own = shifted.gather(2, label)[..., 0]
    smooth = torch.full_like(mean, smoothing)
    terms = log_f32(_total(exp_f32(shifted))) - (1.0 - smooth) * own - smooth * mean
    return (_total(terms) / _divisor(z.shape[1], z)).reshape(-1)


@lowering("cross_entropy_dz")
def cross_entropy_dz(n: Node, z: Tensor, label: Tensor, *_: Tensor) -> Tensor:
    shifted, label = _shifted(z, label)
    e = exp_f32(shifted)
    smoothing = torch.full_like(e, n.attrs.get("smoothing", 0))
    right = torch.zeros_like(e).scatter_(2, label, 1.0) * (1.0 - smoothing)
    t = smoothing / _divisor(z.shape[2], z) + right
    return (e / _total(e)[..., None] - t) / _divisor(z.shape[1], z)


def _mean(terms: Tensor) -> Tensor:
    flat = terms.reshape(terms.shape[0], -1)
    return _total(flat) / _divisor(flat.shape[1], flat)


@lowering("mse")
def mse(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return _mean((z - t) * (z - t))


@lowering("mse_dz")
def mse_dz(n: Node, z: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return 2.0 * (z - t) / _divisor(z[0].numel(), z)


@lowering("bce_with_logits")
def bce_with_logits(n: Node, z: Tensor, t: Tensor) -> Tensor:
    z, t = aligned(z, t)
    a = torch.where(z > 0, z, -z)
    return _mean(torch.where(z > 0, z, 0.0) - z * t + log_f32(1.0 + exp_f32(-a)))


@lowering("bce_with_logits_dz")
def bce_with_logits_dz(n: Node, z: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    z, t = aligned(z, t)
    return (sigmoid_f32(z) - t) / _divisor(z[0].numel(), z)


@lowering("bce")
def bce(n: Node, p: Tensor, t: Tensor) -> Tensor:
    p, t = aligned(p, t)
    logs = [log_f32(v) for v in (p, 1.0 - p)]
    one, zero = (torch.where(v < -100.0, -100.0, v) for v in logs)
    return _mean(-(t * one + (1.0 - t) * zero))


@lowering("bce_dz")
def bce_dz(n: Node, p: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    p, t = aligned(p, t)
    spread = p * (1.0 - p)
    spread = torch.where(spread > 1e-12, spread, 1e-12)
    return (p - t) / spread / _divisor(p[0].numel(), p)


@lowering("distillation")
def distillation(n: Node, z: Tensor, t: Tensor) -> Tensor:
    temperature = _divisor(n.attrs["temperature"], z)
    z, t = aligned(z, t)
    (own, e), (wanted, f) = _tempered(z, temperature), _tempered(t, temperature)
    sum_z, sum_t = _total(e), _total(f)
    apart = (log_f32(sum_z) - log_f32(sum_t))[..., None]
    rows = _total(f / sum_t[..., None] * (wanted - own + apart))
    mean = _total(rows) / _divisor(z.shape[1], z)
    return (mean * (temperature * temperature)).reshape(-1)


def _tempered(v: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
    """The logits minus their maximum, divided by the temperature; and the exponentials of these."""
    shifted = (v - v.amax(2, keepdim=True)) / temperature
    return shifted, exp_f32(shifted)


@lowering("distillation_dz")
def distillation_dz(n: Node, z: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    temperature = _divisor(n.attrs["temperature"], z)
    z, t = aligned(z, t)
    e, f = (_tempered(v, temperature)[1] for v in (z, t))
    apart = e / _total(e)[..., None] - f / _total(f)[..., None]
    return apart * temperature / _divisor(z.shape[1], z)


@lowering("penalty")
def penalty(n: Node, w: Tensor, *anchor: Tensor) -> Tensor:
    apart = w - anchor[0] if anchor else w
    flat = (apart * apart).reshape(apart.shape[0], -1)
    return _divisor(n.attrs["factor"] / 2, w) * _total(flat)


@lowering("penalty_dw")
def penalty_dw(n: Node, g: Tensor, w: Tensor, *anchor: Tensor) -> Tensor:
    apart = w - anchor[0] if anchor else w
    return g + _divisor(n.attrs["factor"], w) * apart


def _labels(n: Node, label: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's label and weight; of an ignored label the weight is 0."""
    ignored = label == n.attrs["ignored"]
    own = torch.where(ignored, 0, label).long()
    own, weights, ignored = _for_each(own, weights, ignored)
    return own, torch.where(ignored, 0.0, weights.gather(1, own))


def _for_each(*tensors: Tensor) -> list[Tensor]:
    """All with as many experiments as the largest."""
    experiments = max(map(len, tensors))
    return [t.expand(experiments, *t.shape[1:]) for t in tensors]


@lowering("nll")
def nll(n: Node, z: Tensor, label: Tensor, weights: Tensor) -> Tensor:
    own, weight = _labels(n, label, weights)
    z, own, weight = _for_each(z, own, weight)
    chosen = z.gather(2, own[..., None])[..., 0]
    return (_total(-(weight * chosen)) / _total(weight)).reshape(-1)


@lowering("nll_dz")
def nll_dz(n: Node, z: Tensor, label: Tensor, weights: Tensor, *_: Tensor) -> Tensor:
    own, weight = _labels(n, label, weights)
    z, own, weight = _for_each(z, own, weight)
    slope = -weight / _total(weight)[..., None]
    return torch.zeros_like(z).scatter_(2, own[..., None], slope[..., None])


@lowering("softmax")
def softmax(n: Node, x: Tensor) -> Tensor:
    e = exp_f32(x - x.amax(-1, keepdim=True))
    return e / _total(e)[..., None]


@lowering("softmax_dx")
def softmax_dx(n: Node, g: Tensor, y: Tensor) -> Tensor:
    g, y = aligned(g, y)
    return y * (g - _total(g * y)[..., None])


@lowering("log_softmax")
def log_softmax(n: Node, x: Tensor) -> Tensor:
    shifted = x - x.amax(-1, keepdim=True)
    return shifted - log_f32(_total(exp_f32(shifted)))[..., None]


@lowering("log_softmax_dx")
def log_softmax_dx(n: Node, g: Tensor, y: Tensor) -> Tensor:
    g, y = aligned(g, y)
    return g - exp_f32(y) * _total(g)[..., None]
