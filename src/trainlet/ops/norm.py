"""Normalisation by the tensor's own statistics: layer-norm and group-norm without their affine.

The tensor is seen as [rows, spots, groups, members]; mean and variance are taken over spots and
members.  Layer-norm is (rows, 1, 1, C), group-norm channels last (N, H*W, G, C/G).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ALONG_AXIS
from trainlet.ops.op import ANOTHER_ORDER, Literal, Op, Sample, build, float32, register, require
from trainlet.ops.ties import last_axis

View = tuple[int, int, int, int]


def _infer(x: TensorType, view: View, eps: float) -> TensorType:
    require(prod(view) == x.size, f"view {view} does not hold {x}")
    return x


def _rstd(x: np.ndarray, view: View, eps: float) -> np.ndarray:
    variance = x.reshape(view).var((1, 3), keepdims=True)
    return (1 / np.sqrt(variance + np.float32(eps))).astype(x.dtype)


def _eval(x: np.ndarray, view: View, eps: float) -> np.ndarray:
    v = x.reshape(view)
    return ((v - v.mean((1, 3), keepdims=True)) * _rstd(x, view, eps)).reshape(x.shape)


def _vjp(n: Node, g: Node) -> list:
    rstd = build("normalize_rstd", n.inputs[0], label=n.name, **n.attrs)
    return [lambda: build("normalize_dx", g, n, rstd, view=n.attrs["view"], label=n.name)]


def _literals(n: Node) -> tuple[Literal, ...]:
    return *n.attrs["view"], float(n.attrs["eps"])


def scale_of_rms(n: Node, readers: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """The weight of an RMS norm, x * rsqrt(mean(x^2) + eps) * weight, of the node rsqrt."""
    products = [r for r in readers[n] if r.op == "mul" and r.inputs[1] is n]
    return _mul_and_add(products[0], readers) if products else []


def _mul_and_add(n: Node, readers: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """A module's weight and bias are operations of their own behind the normalisation."""
    found: list[Node] = []
    for op in ("mul", "add"):
        following = [r for r in readers[n] if r.op == op and r.inputs[0] is n]
        if not following:
            break
        n = following[0]
        found += n.inputs[1:]
    return found


_LAYER = {"view": (3, 1, 1, 8), "eps": 1e-5}
_GROUP = {"view": (2, 6, 2, 4), "eps": 1e-3}
_SAMPLES = [Sample((float32(3, 8),), _LAYER), Sample((float32(2, 2, 3, 8),), _GROUP)]

register(
    Op(
        "normalize",
        ties=lambda n: last_axis(n) if n.attrs["view"][2] == 1 else (),
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=_literals,
        inplace=(0,),
        affine=_mul_and_add,
        tolerance=ANOTHER_ORDER,
        samples=_SAMPLES,
    )
)

register(
    Op(
        "normalize_rstd",
        infer=lambda x, view, eps: x.with_shape((view[0], view[2])),
        eval=lambda x, view, eps: _rstd(x, view, eps).reshape(view[0], view[2]),
        call=_literals,
        tolerance=ANOTHER_ORDER,
        samples=_SAMPLES,
    )
)


def _eval_dx(g: np.ndarray, xhat: np.ndarray, rstd: np.ndarray, view: View) -> np.ndarray:
    gv, xv = g.reshape(view), xhat.reshape(view)
    centred = gv - gv.mean((1, 3), keepdims=True)
    along = (gv * xv).mean((1, 3), keepdims=True)
    dx = (centred - xv * along) * rstd.reshape(view[0], 1, view[2], 1)
    return dx.reshape(g.shape)


register(
    Op(
        "normalize_dx",
        infer=lambda g, xhat, rstd, view: g,
        eval=_eval_dx,
        call=lambda n: n.attrs["view"],
        inplace=(0,),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(3, 8), float32(3, 8), float32(3, 1)), {"view": (3, 1, 1, 8)}),
            Sample((float32(2, 6, 8), float32(2, 6, 8), float32(2, 2)), {"view": (2, 6, 2, 4)}),
        ],
    )
)


def _on_axis(vector: np.ndarray, rank: int, axis: int) -> np.ndarray:
    return vector.reshape([-1 if k == axis % rank else 1 for k in range(rank)])


def _eval_batch_norm(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    factor: np.ndarray,
    term: np.ndarray,
    axis: int,
) -> np.ndarray:
    """gamma (x factor + term) + beta: factor = 1 / deviation, term = -mean / deviation."""
    scale, shift = gamma * factor, gamma * term + beta
    return x * _on_axis(scale, x.ndim, axis) + _on_axis(shift, x.ndim, axis)


BATCH_NORM = register(
    Op(
        "batch_norm",
        infer=lambda x, *_, axis: x,
        eval=_eval_batch_norm,
        lowered=True,
        layout=ALONG_AXIS,
        affine=lambda n, readers: n.inputs[1:3],
        samples=[
            Sample((float32(2, 3, 5), *[float32(3)] * 4), {"axis": 1}),
            Sample((float32(2, 3, 5), *[float32(5)] * 4), {"axis": -1}),
        ],
    )
)
