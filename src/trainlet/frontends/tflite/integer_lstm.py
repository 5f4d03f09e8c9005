"""UNIDIRECTIONAL_SEQUENCE_LSTM of bytes: int8 products, int16 gates and cell state, int8 output."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Tensor
from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, leaf, require
from trainlet.ops.quantized.fixed_point import Affine, quantize_multiplier
from trainlet.ops.quantized.recurrent import AFTER, BEFORE
from trainlet.ops.quantized.types import affine
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import after

INPUT_WEIGHTS, STATE_WEIGHTS, BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (12, 13, 14, 15)
"""Of the input, forget, cell and output gate."""
OUTPUT_STATE, CELL_STATE = 18, 19
GATES = "ifgo"


def integer_lstm(at: Builder, x: Node, clip: float, time_major: bool) -> Node:
    """Its weights and biases are parameters, one of each for every gate."""
    if not time_major:
        x = at.build("permute_i8", x, permutation=(1, 0, 2))
    count, rows, _ = x.type.shape
    h_scale, h_zero = _affine(at.required(OUTPUT_STATE, "state"))
    cell_scale, _ = _affine(at.required(CELL_STATE, "cell state"))
    result = at.type(at.output())
    same = result.quant is not None and result.quant.scale == (h_scale,)
    if h_zero or cell_scale != BEFORE or not same:
        raise UnsupportedError(
            f"a state of zero point {h_zero}, a cell state of scale {cell_scale:g}; allowed: 0, "
            f"{BEFORE:g}, and an output of the state's scale and zero point"
        )
    require(isfinite(clip), f"cell clip {clip}")
    products, fixed = [], []
    for gate, k, j, b in zip(GATES, INPUT_WEIGHTS, STATE_WEIGHTS, BIASES, strict=True):
        products.append(_product(at, x, k, b, gate))
        weight = _weight(at, j, f"weight_hh_{gate}")
        zeros = np.zeros(weight.type.shape[0], np.int32)
        fixed += [weight, at.made(f"bias_hh_{gate}", zeros)]
    units = products[0].type.shape[2]
    h = leaf("input", "h", TensorType((rows, units), "int8", result.quant))
    c = leaf("input", "c", TensorType((rows, units), "int16"))
    slices = [leaf("input", f"x{k}", c.type) for k in range(4)]
    weights = [leaf("input", f"w{k}", n.type) for k, n in enumerate(fixed)]
    gates = []
    for k, (own, j) in enumerate(zip(slices, STATE_WEIGHTS, strict=True)):
        factor = _factor((h_scale, h_zero), at.required(j, "weight"))
        made = build("linear_i16", h, *weights[2 * k : 2 * k + 2], own, **factor)
        gates.append(build("tanh_i16" if k == 2 else "sigmoid_i16", made))
    i, f, g, o = gates
    bound = min(32767, int(clip / cell_scale)) if clip > 0 else 32768
    new = build(
        "add_i16", build("mul_i16", f, c, shift=15),
        build("mul_i16", i, g, shift=18), low=-bound, high=min(bound, 32767),
    )  # fmt: skip
    multiplier, shift = quantize_multiplier(
        float(np.float32(AFTER) / np.float32(h_scale) * np.float32(AFTER))
    )
    out = build("mul_i16_i8", o, build("tanh_i16", new),
                multiplier=multiplier, shift=shift, scale=h_scale)  # fmt: skip
    body = body_of([h, c], slices, weights, [out, new])
    loop = at.build(
        "repeat", *products, *fixed, body=body, count=count, zeros=(0, 1), stacked=(0, 1)
    )
    y = after(loop, 0)
    return y if time_major else at.build("permute_i8", y, permutation=(1, 0, 2))


def _affine(tensor: Tensor) -> tuple[float, int]:
    require(tensor.scale.size == 1, f"{tensor.name!r} has {tensor.scale.size} scales; allowed: one")
    return float(tensor.scale[0]), int(tensor.zero_point[0])


def _factor(source: Affine, w: Tensor) -> dict[str, Any]:
    """From sums of products to a gate before its function."""
    scale, _ = _affine(w)
    real = np.float32(source[0]) * np.float32(scale) / np.float32(BEFORE)
    multiplier, shift = quantize_multiplier(float(real))
    return {"multiplier": multiplier, "shift": shift, "source": source, "scale": scale}


def _weight(at: Builder, position: int, role: str) -> Node:
    tensor, w = at.required(position, "weight"), at.constant(position, "weight")
    if w.dtype != np.int8 or w.ndim != 2:
        raise UnsupportedError(f"weight {role} is {w.dtype} {w.shape}; allowed: int8 of two axes")
    quant = _alike(_affine(tensor)[0], len(w))
    return at.parameter(tensor, role, w, TensorType(w.shape, "int8", quant))


def _alike(scale: float, channels: int) -> Quant:
    return Quant((scale,) * channels, (0,) * channels, 0)


def _product(at: Builder, x: Node, weight_at: int, bias_at: int, gate: str) -> Node:
    """The products of all time steps' inputs; the bias takes up the input's zero point."""
    w, source = _weight(at, weight_at, f"weight_ih_{gate}"), affine(x)
    factor = _factor(source, at.required(weight_at, "weight"))
    bias, units = at.constant(bias_at, "bias"), float(np.float64(source[0]) * factor["scale"])
    kind = TensorType(bias.shape, "int32", _alike(units, bias.size))
    b = at.parameter(at.required(bias_at, "bias"), f"bias_ih_{gate}", bias, kind)
    if source[1]:
        b = at.build("less_zero_point", b, w, zero=source[1])
    return at.build("linear_i16", x, w, b, **factor)
