"""Functions of each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainlet.backends.aten.table import FORMS, form, leading
from trainlet.ir.graph import Node
from trainlet.ops.formula.record import FORMULAS


class _Functions:
    """What a formula calls."""

    where = staticmethod(torch.where)
    equal = staticmethod(torch.eq)
    sigmoid = staticmethod(torch.sigmoid)
    normal_cdf = staticmethod(torch.special.ndtr)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(torch, name)


_TORCH = _Functions()


def _normal_density(x: Tensor) -> Tensor:
    return 0.398942280 * torch.exp(-0.5 * x * x)


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_tanh_slope(x: Tensor) -> Tensor:
    t = torch.tanh(0.797884561 * (x + 0.044715 * x * x * x))
    inner = 0.797884561 * (1 + 0.134145 * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


def _power_slope(x: Tensor, exponent: float) -> Tensor:
    return exponent * x.pow(exponent - 1) if exponent else torch.zeros_like(x)


PLAIN: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "scale": lambda x, factor: x * factor,
    "offset": lambda x, term: x + term,
    "relu": torch.relu,
    "relu6": F.relu6,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sigmoid_dx": lambda g, y: g * (y * (1 - y)),
    "tanh_dx": lambda g, y: g * (1 - y * y),
    "silu_dx": lambda g, x: g * _silu_slope(x),
    "gelu_dx": lambda g, x: g * (torch.special.ndtr(x) + x * _normal_density(x)),
    "gelu_tanh_dx": lambda g, x: g * _gelu_tanh_slope(x),
    "hard_swish_dx": lambda g, x: g * torch.where(
        x <= -3, 0.0, torch.where(x < 3, x * (1 / 3) + 0.5, 1.0)
    ),
    "relu_mask": lambda y: y > 0,
    "relu6_mask": lambda y: (y > 0) & (y < 6),
    "hard_sigmoid_mask": lambda y: (y > 0) & (y < 1),
    "pow": lambda x, exponent: x.pow(exponent),
    "pow_dx": lambda g, x, exponent: g * _power_slope(x, exponent),
    "clip": lambda x, low, high, inclusive: x.clamp(low, high),
    "momentum": lambda m, g, factor: m * factor + g,
    "moment1": lambda m, g, beta: m + (g - m) * (1 - beta),
    "moment2": lambda v, g, beta: v * beta + g * (1 - beta) * g,
    "decay": lambda power, factor: power * factor,
    "accumulate": lambda total, g, factor: total + g * factor,
    "clear": torch.zeros_like,
    "adam_direction": lambda m, v, power1, power2, eps: m / (1 - power1) / (
        torch.sqrt(v) / torch.sqrt(1 - power2) + eps
    ),
    "rmsprop_direction": lambda g, v, eps: g / (torch.sqrt(v) + eps),
}  # fmt: skip
"""Those that `ops/formula` does not write as formulas, or for which torch has a function."""

FORMS.update(
    {
        name: lambda n, *x, f=f: f(_TORCH, *x, **n.attrs).expand(n.type.shape)
        for name, f in FORMULAS.items()
    }
)
FORMS.update({name: lambda n, *x, f=f: f(*x, **n.attrs) for name, f in PLAIN.items()})


@form("mask_dx")
def mask_dx(n: Node, g: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.reshape(g.shape), g * n.attrs["slope"], 0.0)


@form("leaky_relu_dx")
def leaky_relu_dx(n: Node, g: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.reshape(g.shape), g, g * n.attrs["slope"])


def _less(p: Tensor, step: Tensor) -> Tensor:
    """p, from which a step is subtracted in place; it may be narrower."""
    leading(p, step.shape).sub_(step)
    return p


@form("sgd", "sgd_keeping")
def sgd(n: Node, p: Tensor, g: Tensor, lr: Tensor) -> Tensor:
    leading(p, g.shape).addcmul_(g, lr, value=-1)
    return p


@form("adam")
def adam(
    n: Node, p: Tensor, m: Tensor, v: Tensor, power1: Tensor, power2: Tensor, lr: Tensor
) -> Tensor:
    root = torch.sqrt(v) / torch.sqrt(1 - power2) + n.attrs["eps"]
    return _less(p, lr / (1 - power1) * m / root)
