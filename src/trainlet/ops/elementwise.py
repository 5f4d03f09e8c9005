"""Addition, subtraction, multiplication with broadcasting, and scaling by a constant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainlet.errors import ShapeError
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.broadcast import loop_literals, repeats_to
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    no_literals,
    register,
    require,
)
from trainlet.ops.row_access import own_rows


def broadcast_type(a: TensorType, b: TensorType) -> TensorType:
    """The type of a binary operation's result; raises ShapeError when the shapes do not fit."""
    try:
        return a.with_shape(np.broadcast_shapes(a.shape, b.shape))
    except ValueError:
        raise ShapeError(f"shapes {a.shape} and {b.shape} do not broadcast") from None


def reduced(g: Node, operand: Node) -> Node:
    """The gradient of a broadcast operand: summed over what was broadcast."""
    if g.type.shape == operand.type.shape:
        return g
    return build("sum_to", g, shape=operand.type.shape, label=g.name)


def product_gradient(n: Node, g: Node, operand: Node, factor: Node) -> Node:
    """The gradient of an operand of n, where `factor` is the derivative with respect to it."""
    if operand.type.shape == n.type.shape:
        return build("mul", g, factor, label=n.name)
    return build("mul_sum", g, factor, shape=operand.type.shape, label=n.name)


def _vjp_mul(n: Node, g: Node) -> list[Thunk | None]:
    a, b = n.inputs
    return [lambda: product_gradient(n, g, a, b), lambda: product_gradient(n, g, b, a)]


BROADCAST_SAMPLES = [
    (float32(2, 3, 4), float32(2, 3, 4)),
    (float32(2, 3, 4), float32(4)),
    (float32(2, 1, 1, 4), float32(2, 3, 5, 4)),
    (float32(3, 1), float32(1, 4)),
    (float32(2, 3, 1, 2, 5), float32(2, 1, 3, 1, 1)),
    (float32(3, 4), float32()),
    (float32(), float32()),
]
"""Types of two operands."""


def _register(
    name: str,
    meaning: Callable[[np.ndarray, np.ndarray], np.ndarray],
    vjp: Callable[[Node, Node], list[Thunk | None]],
) -> Op:
    return register(
        Op(
            name,
            rows=own_rows,
            infer=broadcast_type,
            eval=meaning,
            vjp=vjp,
            element=no_literals,
            call=lambda n: loop_literals(n.type.shape, *(i.type.shape for i in n.inputs)),
            inplace=(0, 1),
            layout=ELEMENTWISE,
            samples=[Sample(types) for types in BROADCAST_SAMPLES],
        )
    )


ADD = _register(
    "add",
    np.add,
    lambda n, g: [lambda: reduced(g, n.inputs[0]), lambda: reduced(g, n.inputs[1])],
)
_register(
    "sub",
    np.subtract,
    lambda n, g: [
        lambda: reduced(g, n.inputs[0]),
        lambda: build("scale", reduced(g, n.inputs[1]), factor=-1.0),
    ],
)
_register("mul", np.multiply, _vjp_mul)

register(
    Op(
        "scale",
        rows=own_rows,
        infer=lambda x, factor: x,
        eval=lambda x, factor: x * np.float32(factor),
        vjp=lambda n, g: [lambda: build("scale", g, factor=n.attrs["factor"], label=n.name)],
        call=lambda n: (n.type.size, float(n.attrs["factor"])),
        element=lambda attrs: (float(attrs["factor"]),),
        inplace=(0,),
        layout=ELEMENTWISE,
        samples=[Sample((float32(3, 4),), {"factor": -0.7})],
    )
)

register(
    Op(
        "offset",
        rows=own_rows,
        infer=lambda x, term: x,
        eval=lambda x, term: x + np.float32(term),
        vjp=lambda n, g: [lambda: g],
        call=lambda n: (n.type.size, float(n.attrs["term"])),
        element=lambda attrs: (float(attrs["term"]),),
        inplace=(0,),
        layout=ELEMENTWISE,
        samples=[Sample((float32(3, 4),), {"term": 0.3})],
    )
)


def _infer_mul_sum(g: TensorType, x: TensorType, shape: tuple[int, ...]) -> TensorType:
    require(
        repeats_to(g.shape, x.shape, shape),
        f"{x} and the result {shape} must broadcast to {g}",
    )
    return g.with_shape(shape)


def repeated_axes(x: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions that broadcasting `shape` to x's shape repeats."""
    padded = (1,) * (x.ndim - len(shape)) + tuple(shape)
    return tuple(k for k, (n, m) in enumerate(zip(x.shape, padded, strict=True)) if n != m)


def sum_to_shape(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the dimensions that broadcasting `shape` to x's shape repeats."""
    return x.sum(repeated_axes(x, shape), keepdims=True).reshape(shape)


register(
    Op(
        "mul_sum",
        sums_rows=True,
        infer=_infer_mul_sum,
        eval=lambda g, x, shape: sum_to_shape(g * x, shape),
        call=lambda n: (
            n.type.size,
            *loop_literals(n.inputs[0].type.shape, n.inputs[1].type.shape, n.type.shape),
        ),
        macs=lambda n: n.inputs[0].type.size,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 3, 4), float32(2, 3, 4)), {"shape": (4,)}),
            Sample((float32(2, 3, 5, 4), float32(2, 3, 5, 4)), {"shape": (2, 1, 1, 4)}),
            Sample((float32(3, 4), float32(1, 4)), {"shape": (3, 1)}),
        ],
    )
)
