"""A view: consecutive elements of another tensor under another shape. It has no code and takes no
memory."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require


def _infer(x: TensorType, start: int, shape: tuple[int, ...]) -> TensorType:
    fits = 0 <= start and start + prod(shape) <= x.size
    require(fits, f"elements {start} to {start + prod(shape)} of {x}, which has {x.size}")
    return x.with_shape(shape)


def _eval(x: np.ndarray, start: int, shape: tuple[int, ...]) -> np.ndarray:
    return x.reshape(-1)[start : start + prod(shape)].reshape(shape)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, size = n.inputs[0].type, n.type.size

    def padded() -> Node:
        flat = build("reshape", g, shape=(size,))
        whole = build(
            "pad_strided", flat, axis=0, start=n.attrs["start"], size=x.size, label=n.name
        )
        return whole if whole.type == x else build("reshape", whole, shape=x.shape)

    return [padded]


VIEW = register(
    Op(
        "view",
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        alias=True,
        window=lambda n: n.attrs["start"],
        samples=[
            Sample((float32(2, 6),), {"start": 3, "shape": (2, 4)}),
            Sample((float32(5),), {"start": 4, "shape": (1,)}),
        ],
    )
)
