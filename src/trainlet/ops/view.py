"""A view: consecutive elements of another tensor under another shape, or bytes of it as elements of
another type. It has no code and takes no memory."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require


def _infer(
    x: TensorType, start: int, shape: tuple[int, ...], kind: TensorType | None = None
) -> TensorType:
    """kind: the type of an element, where it is not that of x"""
    y = (kind or x).with_shape(shape)
    stop = start + y.nbytes // x.itemsize
    require(0 <= start and stop <= x.size, f"elements {start} to {stop} of {x}, which has {x.size}")
    return y


def _eval(
    x: np.ndarray, start: int, shape: tuple[int, ...], kind: TensorType | None = None
) -> np.ndarray:
    flat = x.reshape(-1)[start:]
    if kind is not None:
        flat = flat[: prod(shape) * kind.itemsize // x.itemsize].view(kind.dtype)
    return flat[: prod(shape)].reshape(shape)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, size = n.inputs[0].type, n.type.size

    def padded() -> Node:
        """In elements of x: of bytes it only tells whose gradient it is."""
        flat = build("reshape", g, shape=(size,))
        whole = build(
            "pad_strided", flat, axis=0, start=n.attrs["start"], size=x.size, label=n.name
        )
        return whole if x.rank == 1 else build("reshape", whole, shape=x.shape)

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
