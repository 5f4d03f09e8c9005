"""Sums and maxima over what broadcasting would repeat, and the reverse of sums.

A sum is scaled, so that a mean is one.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.broadcast import loop_literals, repeats_to
from trainlet.ops.elementwise import repeated_axes, sum_to_shape
from trainlet.ops.layout import TO_SHAPE
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
)
from trainlet.ops.row_access import channel_sum_rows
from trainlet.ops.ties import elementwise


def _infer_sum(
    x: TensorType,
    before: TensorType | None = None,
    *,
    shape: tuple[int, ...],
    factor: float = 1.0,
) -> TensorType:
    """before: the sum so far, of an earlier part of x."""
    require(repeats_to(x.shape, shape), f"{shape} does not broadcast to {x}")
    y = x.with_shape(shape)
    require(before is None or (before == y and factor == 1), f"{before} is no part of a sum {y}")
    return y


def _eval_sum(
    x: np.ndarray,
    before: np.ndarray | None = None,
    *,
    shape: tuple[int, ...],
    factor: float = 1.0,
) -> np.ndarray:
    y = sum_to_shape(x, shape) * np.float32(factor)
    return y if before is None else before + y


def _vjp_sum(n: Node, g: Node) -> list[Thunk | None]:
    attrs = {"shape": n.inputs[0].type.shape, "factor": n.attrs.get("factor", 1.0)}
    return [
        lambda: build("broadcast_to", g, label=n.name, **attrs),
        *[lambda: g] * len(n.inputs[1:]),
    ]


register(
    Op(
        "sum_to",
        sums_rows=True,
        rows=channel_sum_rows,
        infer=_infer_sum,
        eval=_eval_sum,
        vjp=_vjp_sum,
        call=lambda n: (
            n.type.size,
            float(n.attrs.get("factor", 1.0)),
            *loop_literals(n.inputs[0].type.shape, n.type.shape),
        ),
        pointers=2,
        layout=TO_SHAPE,
        ties=elementwise,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(3, 4),), {"shape": (4,)}),
            Sample((float32(1, 2, 5, 4), float32(4)), {"shape": (4,)}),
            Sample((float32(2, 3, 5, 4),), {"shape": (2, 1, 1, 4), "factor": 1 / 15}),
            Sample((float32(2, 3, 4),), {"shape": (2, 3, 1), "factor": 0.25}),
            Sample((float32(2, 3),), {"shape": ()}),
        ],
    )
)


def _infer_broadcast(x: TensorType, shape: tuple[int, ...], factor: float = 1.0) -> TensorType:
    require(repeats_to(shape, x.shape), f"{x} does not fill {shape}")
    return x.with_shape(shape)


register(
    Op(
        "broadcast_to",
        infer=_infer_broadcast,
        ties=elementwise,
        eval=lambda x, shape, factor=1.0: np.broadcast_to(x * np.float32(factor), shape),
        vjp=lambda n, g: [
            lambda: build(
                "sum_to",
                g,
                shape=n.inputs[0].type.shape,
                factor=n.attrs.get("factor", 1.0),
                label=n.name,
            )
        ],
        call=lambda n: (
            float(n.attrs.get("factor", 1.0)),
            *loop_literals(n.type.shape, n.inputs[0].type.shape),
        ),
        samples=[
            Sample((float32(2, 1, 1, 4),), {"shape": (2, 3, 5, 4), "factor": 0.5}),
            Sample((float32(4),), {"shape": (3, 4)}),
            Sample((float32(),), {"shape": (2, 3)}),
        ],
    )
)


def _eval_max(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return x.max(repeated_axes(x, shape), keepdims=True).reshape(shape)


def _vjp_max(n: Node, g: Node) -> list[Thunk | None]:
    """Elements that equal the maximum share the gradient equally."""
    x = n.inputs[0]

    def gradient() -> Node:
        largest = build("equal", x, n, label=n.name)
        share = build("div", g, build("sum_to", largest, shape=n.type.shape), label=n.name)
        return build("mul", largest, share, label=n.name)

    return [gradient]


register(
    Op(
        "max_to",
        infer=lambda x, shape: _infer_sum(x, shape=shape),
        eval=_eval_max,
        vjp=_vjp_max,
        call=lambda n: (n.type.size, *loop_literals(n.inputs[0].type.shape, n.type.shape)),
        layout=TO_SHAPE,
        ties=elementwise,
        samples=[
            Sample((float32(3, 4),), {"shape": (4,)}),
            Sample((float32(2, 3, 5, 4),), {"shape": (2, 1, 1, 4)}),
            Sample((float32(2, 3, 4),), {"shape": (2, 3, 1)}),
            Sample((float32(2, 3),), {"shape": ()}),
        ],
    )
)
