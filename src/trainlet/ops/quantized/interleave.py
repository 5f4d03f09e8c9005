"""Two parts of a quantised weight, put together in any order along an axis."""

from __future__ import annotations

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.interleave import CASES, drawn, evaluate, joined_shape, literals
from trainlet.ops.interleave import infer as infer_float
from trainlet.ops.op import Op, Sample, build, register, require, typed
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import int8


def infer(
    a: TensorType, b: TensorType, index: TensorType, *, axis: int, whole: TensorType
) -> TensorType:
    """whole: the type of the result: its channels' scales lie in the order of the index."""
    require(a.dtype == b.dtype == "int8", f"{a} and {b} are not int8")
    joined = infer_float(a, b, index, axis=axis)
    require(
        (whole.shape, whole.dtype) == (joined.shape, "int8"), f"{whole} is not of shape {joined}"
    )
    return whole


register(
    Op(
        "interleave_i8",
        infer=infer,
        eval=lambda a, b, index, axis, whole: evaluate(a, b, index, axis=axis),
        call=literals,
        samples=[
            Sample(
                (int8(*a), int8(*b), typed("int32", a[axis] + b[axis])),
                {"axis": axis, "whole": int8(*joined_shape(a, b, axis))},
                {0: draw_int8(a), 1: draw_int8(b), 2: drawn(a[axis] + b[axis])},
            )
            for a, b, axis in CASES
        ],
    )
)


def parts_of(w: Node) -> tuple[Node, Node] | None:
    """The two parts of a weight that were put together one after the other."""
    if w.op != "concat_i8" or w.inputs[1].op != "const":
        return None
    return w.inputs[0], w.inputs[1]


def put_together(a: Node, b: Node, index: Node | None, axis: int, whole: Node) -> Node:
    """Two parts of a weight as the layer reads it: one after the other, or in the order of an
    index."""
    if index is None:
        op = "concat_i8" if a.type.dtype == "int8" else "concat"
        return build(op, a, b, axis=axis, label=whole.name)
    if a.type.dtype == "int8":
        return build("interleave_i8", a, b, index, axis=axis, whole=whole.type, label=whole.name)
    return build("interleave", a, b, index, axis=axis, label=whole.name)
