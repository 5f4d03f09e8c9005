"""exp, log and what is made of them, in the operations of the C kernels: the same bits."""

from __future__ import annotations

import torch
from torch import Tensor

_EXP = (1.98412698e-4, 1.38888889e-3, 8.33333333e-3, 4.16666667e-2, 1.66666667e-1, 0.5, 1.0, 1.0)
_LOG = (0.222222222, 0.285714286, 0.4, 0.666666667)
_TANH = (-5.70498873e-3, 2.06390888e-2, -5.37397156e-2, 1.33314422e-1, -3.33332819e-1)
_ERF = (
    1.20553327e-4, -8.54832702e-4, 5.22397762e-3, -2.68661706e-2, 1.12837917e-1, -3.76126389e-1,
    1.12837917,
)  # fmt: skip
_TAIL = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
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


def tanh_f32(x: Tensor) -> Tensor:
    """kernels/reference/tanh.h."""
    a, q = torch.where(x < 0, -x, x), x * x
    t = torch.where(a > 10.0, 1.0, 1.0 - 2.0 / (exp_f32(2.0 * a) + 1.0))
    return torch.where(a < 0.625, x + x * q * _horner(q, _TANH), torch.where(x < 0, -t, t))


def normal_cdf_f32(x: Tensor) -> Tensor:
    """kernels/reference/erf.h."""
    z = x * 0.707106781
    a, q = torch.where(z < 0, -z, z), z * z
    near = 0.5 + 0.5 * (z * _horner(q, _ERF))
    t = 1.0 / (1.0 + 0.3275911 * a)
    tail = 0.5 * _horner(t, _TAIL) * t * exp_f32(-a * a)
    return torch.where(a < 0.5, near, torch.where(z < 0, tail, 1.0 - tail))


def gelu_slope_f32(x: Tensor) -> Tensor:
    """kernels/reference/gelu_dx.c."""
    density = 0.398942280 * exp_f32(-0.5 * x * x)
    return normal_cdf_f32(x) + x * density


def _gelu_inner(x: Tensor) -> Tensor:
    return tanh_f32(0.797884561 * (x + 0.044715 * x * x * x))


def gelu_tanh_f32(x: Tensor) -> Tensor:
    """kernels/reference/gelu_tanh.c."""
    return 0.5 * x * (1.0 + _gelu_inner(x))


def gelu_tanh_slope_f32(x: Tensor) -> Tensor:
    """kernels/reference/gelu_tanh_dx.c."""
    t, inner = _gelu_inner(x), 0.797884561 * (1.0 + 0.134145 * x * x)
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
