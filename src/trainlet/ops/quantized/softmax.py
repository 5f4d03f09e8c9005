"""Quantised softmax over the last dimension, in the fixed-point arithmetic of gemmlowp.

It is for prediction: training takes the logits before it (see `passes.training_head`).
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Literal, Op, Sample, build, register, require
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.fixed_point import (
    Affine,
    divide_pot,
    high_mul,
    quantize_multiplier,
)
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import check_source, int8, result

SCALE, ZERO_POINT = 1 / 256, -128
_DIGITS = 5
"""Integer bits of a difference of logits."""
_EXP_EIGHTH, _THIRD = 1895147668, 715827883
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-1/4), exp(-1/2), exp(-1), ... exp(-16)."""
_48_OVER_17, _MINUS_32_OVER_17 = 1515870810, -1010580540
_MAX = (1 << 31) - 1


def parameters(source: Affine, beta: float) -> tuple[int, int, int]:
    """Multiplier and shift of a difference of logits, and the least difference that counts."""
    factor = min(float(beta) * float(np.float32(source[0])) * (1 << (31 - _DIGITS)), float(_MAX))
    require(factor > 1, f"softmax of scale {source[0]:g} and beta {beta:g} is flat")
    multiplier, shift = quantize_multiplier(factor / 2)  # a factor may be 2^31
    shift += 1
    return multiplier, shift, -(31 * (1 << 26) >> shift)


def _infer(x: TensorType, *, source: Affine, beta: float) -> TensorType:
    check_source(x, source)
    require(x.rank > 0 and x.shape[-1] < 4096, f"{x}: softmax takes rows of fewer than 4096")
    parameters(source, beta)
    return result(x, x.shape, SCALE, ZERO_POINT, -128, 127)


def _exp(a: np.ndarray) -> np.ndarray:
    """exp of a <= 0 with 5 integer bits, with none."""
    quarter = (a & ((1 << 24) - 1)) - (1 << 24)
    rest = quarter - a
    x = (quarter << _DIGITS) + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    series = divide_pot(high_mul(divide_pot(x4, 2) + x3, _THIRD) + x2, 1)
    y = _EXP_EIGHTH + high_mul(_EXP_EIGHTH, x + series)
    for k, factor in enumerate(_EXP_POWERS):
        y = np.where(rest >> (24 + k) & 1, high_mul(y, factor), y)
    return np.where(a == 0, _MAX, y)


def _reciprocal(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / total with 12 integer bits: a fraction and the bits of total above its unit."""
    headroom = 31 - np.floor(np.log2(total)).astype(np.int64)
    half = (total << headroom) >> 1
    x = _48_OVER_17 + high_mul(half, _MINUS_32_OVER_17)
    for _ in range(3):
        x = x + _saturated(high_mul(x, (1 << 29) - high_mul(half, x)), 2)
    return _saturated(x, 1), 12 - headroom


def _saturated(x: np.ndarray, shift: int) -> np.ndarray:
    return np.clip(x << shift, -_MAX - 1, _MAX)


def _eval(x: np.ndarray, *, source: Affine, beta: float) -> np.ndarray:
    multiplier, shift, least = parameters(source, beta)
    difference = x.astype(np.int64) - x.max(-1, keepdims=True)
    counts = difference >= least
    exp = _exp(high_mul(np.where(counts, difference, 0) << shift, multiplier))
    total = np.where(counts, divide_pot(exp, 12), 0).sum(-1, keepdims=True)
    scale, bits = _reciprocal(total)
    y = divide_pot(high_mul(scale, exp), bits + 23) + ZERO_POINT
    return np.where(counts, np.clip(y, -128, 127), -128).astype(np.int8)


def _call(n: Node) -> tuple[Literal, ...]:
    *rows, columns = n.type.shape
    return prod(rows), columns, *parameters(n.attrs["source"], n.attrs["beta"])


register(
    Op(
        "softmax_i8",
        infer=_infer,
        eval=_eval,
        call=_call,
        samples=[
            Sample(
                (int8(*x, scale=scale, zero_point=14),),
                {"source": (scale, 14), "beta": beta},
                {0: draw_int8(x)},
            )
            for x, scale, beta in [
                ((50, 12), 0.125, 1.0),
                ((40, 3), 0.03125, 0.5),
                ((2, 20, 5), 4.0, 1.0),
                ((3, 1), 0.5, 1.0),
            ]
        ],
    )
)


def logits_of(n: Node) -> Node | None:
    """The input of a softmax of floats or integers; None for another op."""
    if n.op == "softmax":
        return n.inputs[0]
    if n.op != "softmax_i8":
        return None
    logits, beta = n.inputs[0], n.attrs["beta"]
    return logits if beta == 1 else build("scale", dequantized(logits), factor=beta, label=n.name)
