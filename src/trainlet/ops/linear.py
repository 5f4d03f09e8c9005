"""y[r,o] = bias[o] + sum_i x[r,i] w[o,i], its gradients, and the batched matrix product."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require


def _rows(t: TensorType) -> int:
    return prod(t.shape[:-1])


def _infer(x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
    require(
        w.rank == 2 and x.rank >= 1 and x.shape[-1] == w.shape[1],
        f"input {x} and weight {w}: the last dimension of the input must be the weight's second",
    )
    require(b is None or b.shape == w.shape[:1], f"bias {b} must be [{w.shape[0]}]")
    return x.with_shape((*x.shape[:-1], w.shape[0]))


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, *bias = n.inputs
    rules: list[Thunk | None] = [
        lambda: build("linear_dx", g, w, label=n.name),
        lambda: build("linear_dw", g, x, label=n.name),
    ]
    if bias:
        rules.append(lambda: build("sum_to", g, shape=bias[0].type.shape, label=n.name))
    return rules


LINEAR = register(
    Op(
        "linear",
        infer=_infer,
        eval=lambda x, w, b=None: x @ w.T if b is None else x @ w.T + b,
        vjp=_vjp,
        call=lambda n: (_rows(n.type), *n.inputs[1].type.shape),
        pointers=3,
        macs=lambda n: n.type.size * n.inputs[1].type.shape[1],
        channel_axis=0,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(3, 5), float32(4, 5), float32(4))),
            Sample((float32(2, 3, 5), float32(4, 5))),
            Sample((float32(5), float32(4, 5), float32(4))),
        ],
    )
)

register(
    Op(
        "linear_dx",
        infer=lambda g, w: g.with_shape((*g.shape[:-1], w.shape[1])),
        eval=lambda g, w: g @ w,
        call=lambda n: (_rows(n.type), *n.inputs[1].type.shape),
        macs=lambda n: n.type.size * n.inputs[1].type.shape[0],
        tolerance=ANOTHER_ORDER,
        samples=[Sample((float32(3, 4), float32(4, 5)))],
    )
)

register(
    Op(
        "linear_dw",
        sums_rows=True,
        infer=lambda g, x: g.with_shape((g.shape[-1], x.shape[-1])),
        eval=lambda g, x: g.reshape(-1, g.shape[-1]).T @ x.reshape(-1, x.shape[-1]),
        narrow=lambda n, chosen: build(
            n.op, n.inputs[0], chosen_channels(n.inputs[1], chosen), label=n.name
        ),
        call=lambda n: (_rows(n.inputs[0].type), *n.type.shape),
        macs=lambda n: n.type.size * _rows(n.inputs[0].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(3, 4), float32(3, 5))),
            Sample((float32(2, 3, 4), float32(2, 3, 5))),
        ],
    )
)


def _flip(t: TensorType, transposed: bool) -> tuple[int, int]:
    rows, columns = t.shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _infer_matmul(a: TensorType, b: TensorType, ta: bool = False, tb: bool = False) -> TensorType:
    require(
        a.rank == b.rank >= 2 and a.shape[:-2] == b.shape[:-2],
        f"operands {a} and {b} must have the same rank, at least 2, and the same batch dimensions",
    )
    (m, k), (k2, n) = _flip(a, ta), _flip(b, tb)
    require(k == k2, f"operands {a} and {b}: inner dimensions {k} and {k2} differ")
    return a.with_shape((*a.shape[:-2], m, n))


def _eval_matmul(a: np.ndarray, b: np.ndarray, ta: bool = False, tb: bool = False) -> np.ndarray:
    return (np.swapaxes(a, -1, -2) if ta else a) @ (np.swapaxes(b, -1, -2) if tb else b)


def _vjp_matmul(n: Node, g: Node) -> list[Thunk | None]:
    (a, b), ta, tb = n.inputs, n.attrs.get("ta", False), n.attrs.get("tb", False)
    return [
        lambda: build("matmul", b, g, ta=tb, tb=True) if ta else build("matmul", g, b, tb=not tb),
        lambda: build("matmul", g, a, ta=True, tb=ta) if tb else build("matmul", a, g, ta=not ta),
    ]


def _call_matmul(n: Node) -> tuple[int, ...]:
    a, ta, tb = n.inputs[0].type, n.attrs.get("ta", False), n.attrs.get("tb", False)
    m, k = _flip(a, ta)
    return prod(a.shape[:-2]), m, k, n.type.shape[-1], int(ta), int(tb)


register(
    Op(
        "matmul",
        infer=_infer_matmul,
        eval=_eval_matmul,
        vjp=_vjp_matmul,
        call=_call_matmul,
        macs=lambda n: n.type.size * _flip(n.inputs[0].type, n.attrs.get("ta", False))[1],
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 3, 4), float32(2, 4, 5))),
            Sample((float32(2, 4, 3), float32(2, 4, 5)), {"ta": True}),
            Sample((float32(3, 4), float32(5, 4)), {"tb": True}),
            Sample((float32(4, 3), float32(5, 4)), {"ta": True, "tb": True}),
            Sample((float32(2, 3, 2, 4), float32(2, 3, 5, 4)), {"tb": True}),
        ],
    )
)
