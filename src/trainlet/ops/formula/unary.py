"""The functions of one operand: each row is all that there is of it beside the front ends."""

from __future__ import annotations

import numpy as np

from trainlet.ops.formula.functions import Value
from trainlet.ops.formula.record import Unary, positive, register_unary, wide
from trainlet.ops.norm import scale_of_rms

STEEP = 32
"""Tolerance where a rounded exponent is multiplied by a large number."""
_RATES = ({"alpha": 1.0, "scale": 1.0, "rate": 1.0}, {"alpha": 1.67, "scale": 1.05, "rate": 0.5})


def _whole(rng: np.random.Generator) -> np.ndarray:
    """Halves, of which a half are whole."""
    return (rng.integers(-9, 10, wide(rng).size) / 2).astype(np.float32)


def _near_zero(rng: np.random.Generator) -> np.ndarray:
    """Of many orders of magnitude, above -1."""
    x = rng.uniform(-0.9, 0.9, wide(rng).size) * 10.0 ** rng.integers(-6, 1, wide(rng).size)
    return x.astype(np.float32)


def _elu(m: Value, x: Value, alpha: Value, scale: Value, rate: Value) -> Value:
    return m.where(x > 0, scale * x, scale * alpha * m.expm1(x * rate))


def _softplus(m: Value, x: Value, beta: Value, threshold: Value) -> Value:
    z = x * beta
    return m.where(z > threshold, x, m.log1p(m.exp(z)) / beta)


def _tanh_of_softplus(m: Value, x: Value) -> Value:
    """tanh(log(1 + e^x)) is ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1)."""
    e = m.exp(m.where(x > 20, x * 0 + 20, x))
    n = e * (e + 2)
    return n / (n + 2)


def _mish_slope(m: Value, x: Value) -> Value:
    t = _tanh_of_softplus(m, x)
    return t + x * m.sigmoid(x) * (1 - t * t)


def _round(m: Value, x: Value) -> Value:
    """The nearest whole number, of two the even one."""
    below = m.floor(x)
    rest = x - below
    even = m.equal(2 * m.floor(below * 0.5), below)
    return m.where((rest > 0.5) | (m.equal(rest, 0.5) & ~even), below + 1, below)


def power(m: Value, x: Value, exponent: Value) -> Value:
    """exp(exponent log |x|), negative for an odd power of a negative number; there is none of a
    negative number to a power that is not whole."""
    size = m.exp(exponent * m.log(m.abs(x)))
    whole = m.equal(m.floor(exponent), exponent)
    odd = whole & ~m.equal(2 * m.floor(exponent * 0.5), exponent)
    signed = m.where(odd, -size, size)
    none = m.where(whole, signed, m.log(x))
    return m.where(m.equal(exponent, 0), x * 0 + 1, m.where(x < 0, none, size))


UNARY = {
    # activations
    "elu": Unary(
        _elu,
        lambda m, y, alpha, scale, rate: m.where(y > 0, scale, rate * (y + alpha * scale)),
        of_result=True,
        attrs=_RATES,
        kinks=lambda attrs: (0,),
    ),
    "softplus": Unary(
        _softplus,
        lambda m, x, beta, threshold: m.where(x * beta > threshold, 1.0, m.sigmoid(x * beta)),
        attrs=({"beta": 1.0, "threshold": 20.0}, {"beta": 2.5, "threshold": 3.0}),
        kinks=lambda attrs: (attrs["threshold"] / attrs["beta"],),
    ),
    "mish": Unary(lambda m, x: x * _tanh_of_softplus(m, x), _mish_slope, tolerances=(4, 8)),
    "log_sigmoid": Unary(
        lambda m, x: m.where(x < 0, x, 0.0) - m.log1p(m.exp(-m.abs(x))),
        lambda m, y: -m.expm1(y),
        of_result=True,
    ),
    "soft_shrink": Unary(
        lambda m, x, bound: m.where(x > bound, x - bound, m.where(x < -bound, x + bound, x * 0)),
        lambda m, y: m.where(m.equal(y, 0), 0.0, 1.0),
        of_result=True,
        attrs=({"bound": 0.5},),
        kinks=lambda attrs: (-attrs["bound"], attrs["bound"]),
        tolerances=(0, 0),
    ),
    "hard_shrink": Unary(
        lambda m, x, bound: m.where((x >= -bound) & (x <= bound), x * 0, x),
        lambda m, y: m.where(m.equal(y, 0), 0.0, 1.0),
        of_result=True,
        attrs=({"bound": 0.5},),
        kinks=lambda attrs: (-attrs["bound"], attrs["bound"]),
        tolerances=(0, 0),
    ),
    "threshold": Unary(
        lambda m, x, bound, value: m.where(x <= bound, value, x),
        lambda m, x, bound: m.where(x <= bound, 0.0, 1.0),
        attrs=({"bound": 0.5, "value": -2.0},),
        kinks=lambda attrs: (attrs["bound"],),
        tolerances=(0, 0),
    ),
    # arithmetic
    "abs": Unary(
        lambda m, x: m.abs(x),
        lambda m, x: m.where(x > 0, 1.0, m.where(x < 0, -1.0, x)),
        kinks=lambda attrs: (0,),
        tolerances=(0, 0),
    ),
    "square": Unary(lambda m, x: x * x, lambda m, x: 2 * x, tolerances=(0, 0)),
    "cube": Unary(lambda m, x: x * x * x, lambda m, x: 3 * (x * x), tolerances=(0, 0)),
    "reciprocal": Unary(
        lambda m, x: 1 / x, lambda m, y: -(y * y), of_result=True, draw=positive, tolerances=(0, 0)
    ),
    "sqrt": Unary(
        lambda m, x: m.sqrt(x),
        lambda m, y: 0.5 / y,
        of_result=True,
        draw=positive,
        tolerances=(0, 0),
        own_header=True,
    ),
    "norm_sqrt": Unary(
        lambda m, x: m.sqrt(x),
        lambda m, y: m.where(m.equal(y, 0), 0.0, 0.5 / y),
        of_result=True,
        draw=positive,
        tolerances=(0, 0),
    ),
    "rsqrt": Unary(
        lambda m, x: 1 / m.sqrt(x),
        lambda m, y: -0.5 * (y * y * y),
        of_result=True,
        draw=positive,
        tolerances=(0, 0),
        affine=scale_of_rms,
    ),
    "pow": Unary(
        power,
        lambda m, x, exponent: m.where(
            m.equal(exponent, 0), 0.0, exponent * power(m, x, exponent - 1)
        ),
        attrs=({"exponent": 1.7}, {"exponent": -0.75}, {"exponent": 5.0}, {"exponent": 0.0}),
        draw=positive,
        tolerances=(STEEP, STEEP),
    ),
    "exp": Unary(lambda m, x: m.exp(x), lambda m, y: y, of_result=True, own_header=True),
    "expm1": Unary(lambda m, x: m.expm1(x), lambda m, y: y + 1, of_result=True, draw=_near_zero),
    "log": Unary(lambda m, x: m.log(x), lambda m, x: 1 / x, draw=positive, own_header=True),
    "log1p": Unary(lambda m, x: m.log1p(x), lambda m, x: 1 / (1 + x), draw=_near_zero),
    "sin": Unary(lambda m, x: m.sin(x), lambda m, x: m.cos(x)),
    "cos": Unary(lambda m, x: m.cos(x), lambda m, x: -m.sin(x)),
    "tan": Unary(
        lambda m, x: m.sin(x) / m.cos(x),
        lambda m, y: 1 + y * y,
        of_result=True,
        draw=_near_zero,
    ),
    "atan": Unary(lambda m, x: m.atan(x), lambda m, x: 1 / (1 + x * x)),
    "asin": Unary(
        lambda m, x: m.asin(x), lambda m, x: 1 / m.sqrt((1 - x) * (1 + x)), draw=_near_zero
    ),
    "acos": Unary(
        lambda m, x: m.acos(x), lambda m, x: -1 / m.sqrt((1 - x) * (1 + x)), draw=_near_zero
    ),
    "sinh": Unary(
        lambda m, x: 0.5 * (m.expm1(x) - m.expm1(-x)), lambda m, x: 0.5 * (m.exp(x) + m.exp(-x))
    ),
    "cosh": Unary(
        lambda m, x: 0.5 * (m.exp(x) + m.exp(-x)), lambda m, x: 0.5 * (m.expm1(x) - m.expm1(-x))
    ),
    "erf": Unary(
        lambda m, x: 2 * m.normal_cdf(1.41421356 * x) - 1,
        lambda m, x: 1.12837917 * m.exp(-(x * x)),
    ),
    "sign": Unary(
        lambda m, x: m.where(x > 0, 1.0, m.where(x < 0, -1.0, x)), None, tolerances=(0, 0)
    ),
    "floor": Unary(lambda m, x: m.floor(x), None, draw=_whole, tolerances=(0, 0), own_header=True),
    "ceil": Unary(lambda m, x: -m.floor(-x), None, draw=_whole, tolerances=(0, 0)),
    "trunc": Unary(
        lambda m, x: m.where(x < 0, -m.floor(-x), m.floor(x)),
        None,
        draw=_whole,
        tolerances=(0, 0),
    ),
    "round": Unary(_round, None, draw=_whole, tolerances=(0, 0)),
}

for _name, _function in UNARY.items():
    register_unary(_name, _function)
