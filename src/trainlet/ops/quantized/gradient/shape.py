"""Operators that move mantissas, and the gradients of operators that move int8 elements."""

from __future__ import annotations

import numpy as np

import trainlet.ops.shape  # noqa: F401  what moves mantissas has a twin there
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import inverse
from trainlet.ops.op import OPS, Op, Sample, Thunk, build, register, require
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    width,
)
from trainlet.ops.quantized.gradient.sampling import block, draw_block
from trainlet.ops.row_access import RowAccess, channel_rows


def _moves(name: str, samples: list[tuple[str, tuple[int, ...], dict]]) -> None:
    """The op on mantissas that corresponds to a float op that moves elements."""
    twin = OPS[name]

    def infer(g: TensorType, e: TensorType, **attrs: object) -> TensorType:
        check_block(g, e)
        return twin.infer(g, **attrs)

    register(
        Op(
            f"{name}_bfp",
            infer=infer,
            eval=lambda g, e, **attrs: twin.eval(g, **attrs),
            call=lambda n: (*twin.call(n), width(n.type)),
            samples=[
                Sample((block(dtype, *g), EXPONENT), attrs, {0: draw_block(dtype, g)})
                for dtype, g, attrs in samples
            ],
        )
    )


_moves("permute", [
    ("int16", (2, 3, 4, 5), {"permutation": (0, 2, 3, 1)}),
    ("int8", (2, 3, 4), {"permutation": (2, 0, 1)}),
])  # fmt: skip
_moves("slice", [
    ("int16", (3, 6), {"axis": 1, "start": 2, "stop": 4}),
    ("int8", (3, 7, 2), {"axis": 1, "start": 1, "stop": 7, "step": 2}),
])  # fmt: skip
_moves("pad_strided", [
    ("int16", (3, 2), {"axis": 1, "start": 2, "size": 6}),
    ("int8", (3, 3, 2), {"axis": 1, "start": 1, "size": 7, "step": 2}),
])  # fmt: skip


def _infer_concat(a: TensorType, b: TensorType, e: TensorType, axis: int) -> TensorType:
    check_block(a, e)
    check_block(b)
    require(a.dtype == b.dtype, f"{a} and {b} differ")
    return OPS["concat"].infer(a, b, axis=axis)


def _rows(n: Node) -> RowAccess | None:
    access = channel_rows(n)
    return access and RowAccess(maps=(0, 1))


register(
    Op(
        "concat_bfp",
        rows=_rows,
        infer=_infer_concat,
        eval=lambda a, b, e, axis: np.concatenate([a, b], axis),
        call=lambda n: (*OPS["concat"].call(n), width(n.type)),
        samples=[
            Sample(
                (block(dtype, *a), block(dtype, *b), EXPONENT),
                {"axis": axis},
                {0: draw_block(dtype, a), 1: draw_block(dtype, b)},
            )
            for dtype, a, b, axis in [
                ("int16", (3, 2), (3, 5), 1),
                ("int8", (2, 3, 2), (2, 3, 5), -1),
                ("int16", (2, 4), (1, 4), 0),
            ]
        ],
    )
)


def _sliced(n: Node, g: Node, axis: int, start: int, stop: int) -> Node:
    return build("slice_bfp", g, exponent_of(g), axis=axis, start=start, stop=stop, label=n.name)


def permute_gradients(n: Node, g: Node) -> list[Thunk | None]:
    back = inverse(n.attrs["permutation"])
    return [lambda: build("permute_bfp", g, exponent_of(g), permutation=back, label=n.name)]


def slice_gradients(n: Node, g: Node) -> list[Thunk | None]:
    size = n.inputs[0].type.shape[n.attrs["axis"]]
    attrs = {"axis": n.attrs["axis"], "start": n.attrs["start"], "step": n.attrs.get("step", 1)}
    return [lambda: build("pad_strided_bfp", g, exponent_of(g), size=size, label=n.name, **attrs)]


def concat_gradients(n: Node, g: Node) -> list[Thunk | None]:
    axis = n.attrs["axis"]
    edge, end = n.inputs[0].type.shape[axis], n.type.shape[axis]
    return [lambda: _sliced(n, g, axis, 0, edge), lambda: _sliced(n, g, axis, edge, end)]


def pad_gradients(n: Node, g: Node) -> list[Thunk | None]:
    def inside() -> Node:
        part = g
        for axis, (start, _) in enumerate(n.attrs["padding"]):
            stop = start + n.inputs[0].type.shape[axis]
            if stop - start < part.type.shape[axis]:
                part = _sliced(n, part, axis, start, stop)
        return part

    return [inside]
