"""UNIDIRECTIONAL_SEQUENCE_LSTM of bytes: int8 products, int16 gates and cell state, int8 output."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Tensor
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf, require
from trainlet.ops.quantized.fixed_point import quantize_multiplier
from trainlet.ops.quantized.types import affine
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import after

INPUT_WEIGHTS, STATE_WEIGHTS, BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (12, 13, 14, 15)
"""Of the input, forget, cell and output gate."""
OUTPUT_STATE, CELL_STATE = 18, 19
GATES = "ifgo"
GATE_SCALE, UNIT = 2.0**-12, 2.0**-15
"""Of a gate before its function, and after it."""
CELL_SCALE = 2.0**-12


def integer_lstm(at: Builder, x: Node, clip: float, time_major: bool) -> Node:
    """Its weights are constants: the integers of its gates have no gradient."""
    if not time_major:
        x = at.build("permute_i8", x, permutation=(1, 0, 2))
    count, rows, _ = x.type.shape
    (x_scale, x_zero), (h_scale, h_zero) = affine(x), _affine(at.required(OUTPUT_STATE, "state"))
    cell_scale, _ = _affine(at.required(CELL_STATE, "cell state"))
    result = at.type(at.output())
    same = result.quant is not None and result.quant.scale == (h_scale,)
    if h_zero or cell_scale != CELL_SCALE or not same:
        raise UnsupportedError(
            f"a state of zero point {h_zero}, a cell state of scale {cell_scale:g}; allowed: 0, "
            f"{CELL_SCALE:g}, and an output of the state's scale and zero point"
        )
    require(isfinite(clip), f"cell clip {clip}")
    products, fixed = [], []
    for gate, k, j, b in zip(GATES, INPUT_WEIGHTS, STATE_WEIGHTS, BIASES, strict=True):
        bias = at.constant(b, "bias").astype(np.int64)
        products.append(_product(at, x, k, f"i{gate}", x_scale, x_zero, bias))
        fixed += _constants(at, j, f"h{gate}", 0, np.zeros_like(bias))
    units = products[0].type.shape[2]
    h = leaf("input", "h", TensorType((rows, units), "int8", result.quant))
    c = leaf("input", "c", TensorType((rows, units), "int16"))
    slices = [leaf("input", f"x{k}", c.type) for k in range(4)]
    weights = [leaf("input", f"w{k}", n.type) for k, n in enumerate(fixed)]
    gates = []
    for k, (own, j) in enumerate(zip(slices, STATE_WEIGHTS, strict=True)):
        factor = _factor(h_scale, at.required(j, "weight"))
        made = build("linear_i16", h, *weights[2 * k : 2 * k + 2], own, **factor)
        gates.append(build("tanh_i16" if k == 2 else "sigmoid_i16", made))
    i, f, g, o = gates
    bound = min(32767, int(clip / cell_scale)) if clip > 0 else 32768
    new = build(
        "add_i16", build("mul_i16", f, c, shift=15),
        build("mul_i16", i, g, shift=18), low=-bound, high=min(bound, 32767),
    )  # fmt: skip
    multiplier, shift = quantize_multiplier(
        float(np.float32(UNIT) / np.float32(h_scale) * np.float32(UNIT))
    )
    out = build("mul_i16_i8", o, build("tanh_i16", new),
                multiplier=multiplier, shift=shift, scale=h_scale)  # fmt: skip
    body = body_of([h, c], slices, weights, [out, new])
    loop = at.build("repeat", *products, *fixed, body=body, count=count, zeros=(0, 1), stacked=(0,))
    y = after(loop, 0)
    return y if time_major else at.build("permute_i8", y, permutation=(1, 0, 2))


def _affine(tensor: Tensor) -> tuple[float, int]:
    require(tensor.scale.size == 1, f"{tensor.name!r} has {tensor.scale.size} scales; allowed: one")
    return float(tensor.scale[0]), int(tensor.zero_point[0])


def _factor(source: float, w: Tensor) -> dict[str, Any]:
    """From sums of products to a gate before its function."""
    scale, _ = _affine(w)
    real = np.float32(source) * np.float32(scale) / np.float32(GATE_SCALE)
    multiplier, shift = quantize_multiplier(float(real))
    return {"multiplier": multiplier, "shift": shift}


def _constants(
    at: Builder, position: int, role: str, zero: int, bias: np.ndarray
) -> Sequence[Node]:
    """The weight, and its bias less what the input's zero point adds to each sum."""
    w = at.constant(position, "weight")
    if w.dtype != np.int8 or w.ndim != 2:
        raise UnsupportedError(f"weight {role} is {w.dtype} {w.shape}; allowed: int8 of two axes")
    whole = (bias - zero * w.astype(np.int64).sum(1)).astype(np.int32)
    return at.made(f"weight_{role}", w), at.made(f"bias_{role}", whole)


def _product(
    at: Builder, x: Node, position: int, role: str, scale: float, zero: int, bias: np.ndarray
) -> Node:
    """The products of all time steps' inputs."""
    constants = _constants(at, position, role, zero, bias)
    factor = _factor(scale, at.required(position, "weight"))
    return at.build("linear_i16", x, *constants, **factor)
