"""Sums, copies along new dimensions, and losses, which are float32 also of shorter floats."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.backends.aten.table import form
from trainlet.ir.graph import Node


def _total(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The sum over what broadcasting `shape` to that of x repeats."""
    padded = (1,) * (x.ndim - len(shape)) + tuple(shape)
    axes = [k for k, (size, wanted) in enumerate(zip(x.shape, padded, strict=True))
            if size != wanted]  # fmt: skip
    return (x.sum(axes) if axes else x).reshape(shape)


@form("sum_to")
def sum_to(n: Node, x: Tensor, before: Tensor | None = None) -> Tensor:
    total = _total(x, n.attrs["shape"]) * n.attrs.get("factor", 1.0)
    return total if before is None else before + total


@form("mul_sum")
def mul_sum(n: Node, g: Tensor, x: Tensor) -> Tensor:
    return _total(g * x, n.attrs["shape"])


@form("broadcast_to")
def broadcast_to(n: Node, x: Tensor) -> Tensor:
    return (x * n.attrs.get("factor", 1.0)).expand(n.type.shape)


@form("cross_entropy")
def cross_entropy(n: Node, z: Tensor, label: Tensor) -> Tensor:
    return F.cross_entropy(z.float(), label.long(), label_smoothing=n.attrs.get("smoothing", 0.0))


@form("cross_entropy_dz")
def cross_entropy_dz(n: Node, z: Tensor, label: Tensor, *_: Tensor) -> Tensor:
    smoothing, classes = n.attrs.get("smoothing", 0.0), z.shape[1]
    own = torch.arange(classes, device=z.device) == label[:, None]
    made = torch.softmax(z.float(), 1).add_(own, alpha=smoothing - 1)  # in place: rows are long
    made = made.sub_(smoothing / classes) if smoothing else made
    return made.div_(z.shape[0]).to(z.dtype)


@form("mse")
def mse(n: Node, z: Tensor, t: Tensor) -> Tensor:
    return F.mse_loss(z.float(), t.float())


@form("mse_dz")
def mse_dz(n: Node, z: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    return (z - t) * (2 / z.numel())


@form("bce_with_logits")
def bce_with_logits(n: Node, z: Tensor, t: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(z.float(), t.float())


@form("bce_with_logits_dz")
def bce_with_logits_dz(n: Node, z: Tensor, t: Tensor, *_: Tensor) -> Tensor:
    return (torch.sigmoid(z) - t) / z.numel()
