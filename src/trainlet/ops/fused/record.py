"""The operator `fused`: its type, its meaning and its call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.fused.chain import MAP, VECTOR, FusedOp, chained, is_kind, kinds, literals
from trainlet.ops.fused.kernel import kernel_name, kernel_source
from trainlet.ops.op import OPS, Literal, Op, Sample, float32, register, require
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import int8
from trainlet.ops.row_access import RowAccess

MOST_INPUTS = 8
"""Of one chain."""


def _infer(*inputs: TensorType, links: Sequence[FusedOp]) -> TensorType:
    result = chained(links, inputs, lambda link, own: OPS[link[0]].infer(*own, **link[2]))
    for kind, operand in zip(kinds(links), inputs, strict=True):
        require(is_kind(kind, operand, result), f"{operand} is no {kind!r} of {result}")
    return result


def _eval(*inputs: np.ndarray, links: Sequence[FusedOp]) -> np.ndarray:
    return chained(links, inputs, lambda link, own: OPS[link[0]].eval(*own, **link[2]))


def _call(n: Node) -> tuple[Literal, ...]:
    links, sizes = n.attrs["links"], (n.type.size,)
    if VECTOR in kinds(links):
        sizes = n.type.size // n.type.shape[-1], n.type.shape[-1]
    return *sizes, *(value for link in links for value in literals(link))


def _rows(n: Node) -> RowAccess | None:
    """The rows that the operations alone would read. An operation with a vector operand does not
    run on rows."""
    own = kinds(n.attrs["links"])
    return None if VECTOR in own else RowAccess(maps=tuple(range(len(own))))


def _in_place(n: Node) -> list[int]:
    """Each element of a map is read before the result's is written; a vector is read again for
    each row."""
    own = kinds(n.attrs["links"])
    return [k for k, (kind, i) in enumerate(zip(own, n.inputs, strict=True))
            if kind == MAP or i.type.size == n.type.size]  # fmt: skip


_INT8 = {"scale": 0.046875, "zero_point": -7}


def _sample(shape: tuple[int, ...], *links: FusedOp) -> Sample:
    types = [float32(*shape if kind == MAP else shape[-1:]) for kind in kinds(links)]
    if links[0][0] != "dequantize":
        return Sample(tuple(types), {"links": links})
    return Sample((int8(*shape, **_INT8), *types[1:]), {"links": links}, {0: draw_int8(shape)})


register(
    Op(
        "fused",
        kernel=kernel_name,
        source=kernel_source,
        rows=_rows,
        infer=_infer,
        eval=_eval,
        call=_call,
        inplace_of=_in_place,
        samples=[
            _sample((2, 3, 19), ("mul", "mv", {}), ("add", "xv", {})),
            _sample((1, 5, 8), ("mul", "vm", {}), ("mul", "xv", {}), ("add", "vx", {})),
            _sample((3, 5), ("scale", "m", {"factor": -0.7}), ("offset", "x", {"term": 0.3})),
            _sample((4, 6), ("dequantize", "m", _INT8), ("hard_swish_dx", "mx", {})),
            _sample((4, 6), ("mul", "mv", {}), ("sub", "mx", {}),
                    ("quantize", "x", {**_INT8, "low": -128, "high": 120})),
        ],
    )
)  # fmt: skip
