"""Operators that move quantised elements: permute, slice, pad, concat. Reshape is the same op for
all types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.layout import PADS_SIDES
from trainlet.ops.op import OPS, Literal, Op, Sample, Thunk, build, register, require
from trainlet.ops.quantized.gradient.shape import (
    concat_gradients,
    pad_gradients,
    permute_gradients,
    slice_gradients,
)
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import affine, int8
from trainlet.ops.shape import permutations_in_loops
from trainlet.ops.ties import except_along

Rule = Callable[[Node, Node], list[Thunk | None]]
Padding = tuple[tuple[int, int], ...]


def _joined_scales(a: TensorType, b: TensorType, axis: int) -> Quant | None:
    """The scales of the concatenation of two tensors; weights have one for each channel."""
    first, second = a.quant, b.quant
    if first and second and first.axis == second.axis == axis % a.rank:
        scales, zeros = first.scale + second.scale, first.zero_point + second.zero_point
        return Quant(scales, zeros, first.axis)
    require(first == second, f"scales and zero points differ: {first} and {second}")
    return first


def _moves_bytes(name: str, inputs: int, vjp_bfp: Rule, shapes: list[tuple[tuple, dict]]) -> None:
    """The int8 op that corresponds to a float op that moves elements. It has the same types,
    evaluation, gradient and literals."""
    twin = OPS[name]

    def infer(*types: TensorType, **attrs: Any) -> TensorType:
        require(all(t.dtype == "int8" for t in types), f"{types} are not int8")
        result = twin.infer(*types, **attrs)
        if name == "concat":
            return replace(result, quant=_joined_scales(types[0], types[1], attrs["axis"]))
        affine(types[0])
        return result

    register(
        Op(
            f"{name}_i8",
            infer=infer,
            eval=twin.eval,
            vjp=twin.vjp,
            vjp_bfp=vjp_bfp,
            call=twin.call,
            rows=twin.rows,
            layout=twin.layout,
            ties=twin.ties,
            window=twin.window,
            samples=[
                Sample(
                    tuple(int8(*s) for s in given),
                    attrs,
                    {k: draw_int8(given[k]) for k in range(inputs)},
                )
                for given, attrs in shapes
            ],
        )
    )


_moves_bytes("permute", 1, permute_gradients, [
    (((2, 3, 4, 5),), {"permutation": (0, 2, 3, 1)}),
    (((2, 3, 4),), {"permutation": (2, 0, 1)}),
])  # fmt: skip
_moves_bytes("slice", 1, slice_gradients, [
    (((3, 6),), {"axis": 1, "start": 2, "stop": 4}),
    (((3, 7, 2),), {"axis": 1, "start": 1, "stop": 7, "step": 2}),
])  # fmt: skip
_moves_bytes("concat", 2, concat_gradients, [
    (((3, 2), (3, 4)), {"axis": 1}),
    (((2, 3, 2), (2, 3, 1)), {"axis": -1}),
])  # fmt: skip


def permuted(x: Node, permutation: tuple[int, ...]) -> Node:
    """Floats or quantised elements in another order of dimensions."""
    op = "permute_i8" if x.type.dtype == "int8" else "permute"
    for part in permutations_in_loops(x.type.shape, permutation):
        x = build(op, x, permutation=part, label=x.name)
    return x


def _infer_pad(x: TensorType, padding: Padding, zero_point: int) -> TensorType:
    require(
        len(padding) == x.rank <= 4 and all(a >= 0 and b >= 0 for a, b in padding),
        f"padding {padding} does not fit {x} of at most four dimensions",
    )
    require(affine(x)[1] == zero_point, f"{x} has zero point {affine(x)[1]}, not {zero_point}")
    sides = zip(x.shape, padding, strict=True)
    return x.with_shape(tuple(n + before + after for n, (before, after) in sides))


def _vjp_pad(n: Node, g: Node) -> list[Thunk | None]:
    def inside() -> Node:
        part = g
        for axis, (start, _) in enumerate(n.attrs["padding"]):
            stop = start + n.inputs[0].type.shape[axis]
            if stop - start < part.type.shape[axis]:
                part = build("slice", part, axis=axis, start=start, stop=stop, label=n.name)
        return part

    return [inside]


def _padded(n: Node) -> list[int]:
    return [axis for axis, sides in enumerate(n.attrs["padding"]) if sides != (0, 0)]


def _call_pad(n: Node) -> tuple[Literal, ...]:
    """Four sizes of the input, four of the result, four borders before, the value."""
    missing = 4 - n.type.rank
    before = [b for b, _ in n.attrs["padding"]]
    ones = [1] * missing
    return (
        *ones,
        *n.inputs[0].type.shape,
        *ones,
        *n.type.shape,
        *[0] * missing,
        *before,
        n.attrs["zero_point"],
    )


register(
    Op(
        "pad_i8",
        infer=_infer_pad,
        eval=lambda x, padding, zero_point: np.pad(x, padding, constant_values=zero_point),
        vjp=_vjp_pad,
        vjp_bfp=pad_gradients,
        call=_call_pad,
        layout=PADS_SIDES,
        ties=lambda n: except_along(_padded(n), n),
        samples=[
            Sample(
                (int8(2, 3, 4, 2, zero_point=-7),),
                {"padding": ((0, 0), (1, 2), (0, 3), (0, 0)), "zero_point": -7},
                {0: draw_int8((2, 3, 4, 2))},
            ),
            Sample(
                (int8(3, 4, zero_point=5),),
                {"padding": ((1, 0), (2, 1)), "zero_point": 5},
                {0: draw_int8((3, 4))},
            ),
        ],
    )
)
