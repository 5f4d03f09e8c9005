"""Two quantised layers whose sums are added before they are rounded: y = w x + v h + bias.

h [.., J] is a second input beside x [.., I], v [O, J] its weight.  Both products are in the same
units: the scale of v times that of h is the scale of w times that of x.  The layer is linear, or a
convolution of single elements: these round differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.conv import POINT
from trainlet.ops.correlate import exact_floats
from trainlet.ops.op import Op, Sample, Thunk, register, require
from trainlet.ops.quantized.conv import CONV2D_I8, clamp_literals
from trainlet.ops.quantized.conv import gradients as conv_gradients
from trainlet.ops.quantized.fixed_point import Affine, clamped, f32, rescale, rescale_once, wrapped
from trainlet.ops.quantized.gradient.conv import convolution_gradients
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.linear import linear_gradients
from trainlet.ops.quantized.linear import LINEAR_I8, kernel_of_rows
from trainlet.ops.quantized.linear import gradients as linear_rule
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import check_source, int8, masked, weight
from trainlet.ops.row_access import RowAccess
from trainlet.ops.ties import RESULT, Tie

Rule = Callable[[Node, Node, Thunk | None], list[Thunk | None]]
UNITS = 1e-3
"""How far the units of both products may be apart: less than half a step of a byte."""


def _infer(
    layer: Op, window: dict[str, Any], x: TensorType, w: TensorType, b: TensorType, q: TensorType,
    h: TensorType, v: TensorType, *, source: Affine, beside: Affine, **result: Any,
) -> TensorType:  # fmt: skip
    require(prod(w.shape[1:-1]) == 1, f"weight {w} must have single elements")
    y = layer.infer(x, w, b, q, source=source, **window, **result)
    again = layer.infer(h, v, b, q, source=beside, **window, **result)
    require(again.shape == y.shape, f"inputs {x} and {h} must differ in their last dimension alone")
    check_source(h, beside)
    if w.quant and v.quant:
        units = [np.array(t.quant.scale) * s[0] for t, s in ((w, source), (v, beside)) if t.quant]
        require(
            np.allclose(*units, rtol=UNITS, atol=0), "the units of both products must be the same"
        )
    return y


def _eval(
    rescaled: Callable, x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, h: np.ndarray,
    v: np.ndarray, *, source: Affine, beside: Affine, scale: float, zero_point: int, low: int,
    high: int,
) -> np.ndarray:  # fmt: skip
    total = b.astype(np.int64)
    for given, matrix, (_, zero) in ((x, w, source), (h, v, beside)):
        flat = matrix.reshape(len(matrix), -1)
        real, exact = exact_floats(given.astype(np.int16) - zero, flat, flat.shape[1])
        total = total + (real @ exact.T).astype(np.int64)
    return clamped(rescaled(wrapped(total), q[0], q[1]), zero_point, low, high)


def _layers(layer: Op, window: dict[str, Any], n: Node) -> tuple[Node, Node]:
    """The two layers that a gradient rule sees; neither is computed."""
    x, w, b, q, h, v = n.inputs
    attrs = {k: a for k, a in n.attrs.items() if k not in ("source", "beside")} | window
    return (
        Node(layer.name, (x, w, b, q), n.type, {**attrs, "source": n.attrs["source"]}, n.name),
        Node(layer.name, (h, v, b, q), n.type, {**attrs, "source": n.attrs["beside"]}, n.name),
    )


def _gradients(
    layer: Op, window: dict[str, Any], rule: Rule, mask: Callable, n: Node, g: Node
) -> Sequence[Thunk | None]:
    inside = mask(n, g)
    first, second = (rule(part, g, inside) for part in _layers(layer, window, n))
    return [*first, *second[:2]]


def _literals(n: Node) -> tuple[int, ...]:
    x, h, zero = n.inputs[0].type, n.inputs[4].type, n.attrs["beside"][1]
    sizes = n.type.size // n.type.shape[-1], n.type.shape[-1], x.shape[-1], h.shape[-1]
    return *sizes, *clamp_literals(n), zero


def _ties(n: Node) -> Iterator[Tie]:
    """The channels of x, those of h, and the outputs."""
    x, w, b, q, h, v = (i.type.rank - 1 for i in n.inputs)
    yield (0, x), (1, w)
    yield (4, h), (5, v)
    yield (1, 0), (5, 0), (2, b), (3, q), (RESULT, n.type.rank - 1)


def _rows(n: Node) -> RowAccess | None:
    return RowAccess(maps=(0, 4)) if n.type.rank == 4 else None


def _sample(rows: tuple, outputs: tuple, inputs: tuple[int, int], low: int) -> Sample:
    (i, j), source, beside = inputs, (0.5, 30), (0.25, -7)
    w, v = weight(*outputs, i), weight(*outputs, j)
    assert w.quant is not None
    scales = tuple(f32(2 * s) for s in w.quant.scale)
    v = TensorType(v.shape, "int8", Quant(scales, w.quant.zero_point, 0))
    attrs = {"source": source, "scale": 2.0, "zero_point": -20, "low": low, "high": 127}
    one = layer_sample(
        int8(*rows, i, scale=source[0], zero_point=source[1]), w, attrs, outputs[0], 5e3
    )
    h = int8(*rows, j, scale=beside[0], zero_point=beside[1])
    values = {**one.values, 4: draw_int8(h.shape), 5: draw_int8(v.shape)}
    return Sample((*one.types, h, v), {**attrs, "beside": beside}, values)


def _pair(
    layer: Op, window: dict[str, Any], rescaled: Callable, rules: tuple[Rule, Rule],
    samples: Sequence[Sample], **kernels: Any,
) -> Op:  # fmt: skip
    real, integer = rules
    return register(
        Op(
            layer.name.replace("_i8", "_pair_i8"),
            rows=_rows,
            infer=partial(_infer, layer, window),
            eval=partial(_eval, rescaled),
            vjp=partial(_gradients, layer, window, real, masked),
            vjp_bfp=partial(_gradients, layer, window, integer, masked_block),
            call=_literals,
            **kernels,
            macs=lambda n: n.type.size * (n.inputs[0].type.shape[-1] + n.inputs[4].type.shape[-1]),
            channel_axis=0,
            ties=_ties,
            samples=samples,
        )
    )


LINEAR_PAIR_I8 = _pair(
    LINEAR_I8, {}, rescale_once, (linear_rule, linear_gradients),
    [_sample((3,), (4,), (5, 2), -128), _sample((2, 3), (4,), (9, 3), -20),
     _sample((), (4,), (5, 6), -128)],
    variants=("linear_pair_rows_i8",),
    kernel=lambda n: kernel_of_rows(n.op, n.type, *(n.inputs[k].type.shape[-1] for k in (0, 4))),
)  # fmt: skip
CONV2D_PAIR_I8 = _pair(
    CONV2D_I8, POINT, rescale, (conv_gradients, convolution_gradients),
    [_sample((2, 3, 2), (4, 1, 1), (5, 2), -128), _sample((1, 3, 3), (6, 1, 1), (9, 3), -20)],
)  # fmt: skip
