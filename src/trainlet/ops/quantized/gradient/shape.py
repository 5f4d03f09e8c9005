"""Operators that move mantissas, and the gradients of operators that move int8 elements."""

from __future__ import annotations

from collections.abc import Callable

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

Shapes = tuple[tuple[int, ...], ...]


def _moves(
    name: str,
    samples: list[tuple[str, Shapes, dict]],
    rows: Callable[[Node], RowAccess | None] = lambda n: None,
) -> None:
    """The op on mantissas of one exponent that corresponds to a float op that moves elements."""
    twin = OPS[name]

    def infer(*types: TensorType, **attrs: object) -> TensorType:
        *maps, e = types
        for g in maps:
            check_block(g, e)
        require(len({g.dtype for g in maps}) == 1, f"{maps} differ in their elements")
        return twin.infer(*maps, **attrs)

    register(
        Op(
            f"{name}_bfp",
            rows=rows,
            infer=infer,
            eval=lambda *maps_and_e, **attrs: twin.eval(*maps_and_e[:-1], **attrs),
            call=lambda n: (*twin.call(n), width(n.type)),
            samples=[
                Sample(
                    (*(block(dtype, *g) for g in shapes), EXPONENT),
                    attrs,
                    {k: draw_block(dtype, g) for k, g in enumerate(shapes)},
                )
                for dtype, shapes, attrs in samples
            ],
        )
    )


def _rows_of_both(n: Node) -> RowAccess | None:
    access = channel_rows(n)
    return access and RowAccess(maps=(0, 1))


_moves("permute", [
    ("int16", ((2, 3, 4, 5),), {"permutation": (0, 2, 3, 1)}),
    ("int8", ((2, 3, 4),), {"permutation": (2, 0, 1)}),
])  # fmt: skip
_moves("slice", [
    ("int16", ((3, 6),), {"axis": 1, "start": 2, "stop": 4}),
    ("int8", ((3, 7, 2),), {"axis": 1, "start": 1, "stop": 7, "step": 2}),
])  # fmt: skip
_moves("pad_strided", [
    ("int16", ((3, 2),), {"axis": 1, "start": 2, "size": 6}),
    ("int8", ((3, 3, 2),), {"axis": 1, "start": 1, "size": 7, "step": 2}),
])  # fmt: skip
_moves("concat", [
    ("int16", ((3, 2), (3, 5)), {"axis": 1}),
    ("int8", ((2, 3, 2), (2, 3, 5)), {"axis": -1}),
    ("int16", ((2, 4), (1, 4)), {"axis": 0}),
], _rows_of_both)  # fmt: skip


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
