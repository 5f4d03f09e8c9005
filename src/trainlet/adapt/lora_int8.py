"""LoRA beside an int8 layer: h = A x in int8, and B h added to the layer's sums before they are
rounded, so an adapter whose B is zero changes no bit.

A and B are int8 parameters with a scale for each output channel, like all that learn: they keep
fractional bits, and quantisation-aware scaling applies to their updates.  B's scales are those
that make its products the units of the layer's sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.storage import Storage
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.conv import POINT
from trainlet.ops.op import build, leaf, typed
from trainlet.ops.quantized.fixed_point import f32, requantization
from trainlet.ops.quantized.linear import LINEAR_I8
from trainlet.ops.quantized.pair import CONV2D_PAIR_I8, LINEAR_PAIR_I8
from trainlet.ops.quantized.types import HIGHEST, LOWEST, affine
from trainlet.ops.window import Geometry

ROOM = 2
"""The range of A's integers, as a factor of the values that it begins with."""


def why_not(uses: Sequence[Node]) -> str:
    """Why an int8 layer, computed by these nodes, cannot have an adapter; empty where it can."""
    if len(uses) > 1:
        return "is used several times, with inputs of different scales; adapt it in float32"
    n = uses[0]
    if n.op == LINEAR_I8.name:
        return ""
    window = Geometry.of(n)
    if window.kernel == (1, 1) and window.attrs == POINT:
        return ""
    return (
        f"is a convolution of kernel {window.kernel}, stride {window.stride}, groups "
        f"{window.groups}; allowed in int8: linear layers, and 1x1 convolutions without stride, "
        "padding and groups"
    )


def types(layer: Node, shapes: tuple[tuple[int, int], tuple[int, int]]) -> list[TensorType]:
    """The types of A and B, of these shapes, beside a layer (x, w, b, q)."""
    x, w = layer.inputs[:2]
    (rank, inputs), (outputs, _) = shapes
    assert w.type.quant is not None
    point = (1, 1) if w.type.rank == 4 else ()
    own = f32(ROOM / inputs**0.5 / HIGHEST)
    share = np.float64(affine(x)[0]) / np.float64(_scale_of_h(x))
    scales = [f32(s * share) for s in w.type.quant.scale]
    return [
        TensorType((rank, *point, inputs), "int8", Quant((own,) * rank, (0,) * rank, 0)),
        TensorType((outputs, *point, rank), "int8", Quant(tuple(scales), (0,) * outputs, 0)),
    ]


def stored(shape: tuple[int, int]) -> Storage:
    """The user's matrix as a layer's weight."""
    return Storage(shape, (0, 1))


def beside(n: Node, a: Node, b: Node, values: dict[str, np.ndarray]) -> Node:
    """The layer n with the adapter in its sums; the values of constants go into `values`."""
    x, w, bias, q = n.inputs
    rank, scale, quant = a.type.shape[0], _scale_of_h(x), a.type.quant
    assert quant is not None
    zeros = leaf("const", f"{a.name}.bias", typed("int32", rank))
    factors = leaf("const", f"{a.name}.rescaling", typed("int32", 2, rank))
    values[zeros.name] = np.zeros(rank, np.int32)
    values[factors.name] = requantization(affine(x)[0], np.array(quant.scale), scale)
    window = {} if n.op == LINEAR_I8.name else POINT
    clamp = {"scale": scale, "zero_point": 0, "low": LOWEST, "high": HIGHEST}
    h = build(n.op, x, a, zeros, factors, source=affine(x), label=a.name, **window, **clamp)
    pair = LINEAR_PAIR_I8 if n.op == LINEAR_I8.name else CONV2D_PAIR_I8
    attrs = {k: v for k, v in n.attrs.items() if k not in window}
    return build(pair.name, x, w, bias, q, h, b, beside=affine(h), label=n.name, **attrs)


def _scale_of_h(x: Node) -> float:
    """As large a range as that of x: each row of A begins with a sum of squares of a third."""
    scale, zero = affine(x)
    return f32(scale * max(HIGHEST - zero, zero - LOWEST) / HIGHEST)
