"""Tensors of any types as one row of bytes, each at a multiple of 8."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, float32, register, typed

ALIGN = 8


def _whole(t: TensorType) -> int:
    return -(-t.nbytes // ALIGN) * ALIGN


def _eval(*parts: np.ndarray) -> np.ndarray:
    rows = [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts]
    return np.concatenate([np.pad(row, (0, -len(row) % ALIGN)) for row in rows])


def _source(n: Node) -> str:
    """The kernel for so many parts; the bytes between them are zeros."""
    many = range(len(n.inputs))
    pointers = "".join(f", const void *x{k}" for k in many)
    lines = [
        f"  memcpy(y, x{k}, n{k});\n  for (y += n{k}; n{k} % 8; n{k}++) *y++ = 0;" for k in many
    ]
    sizes = "".join(f", uint32_t n{k}" for k in many)
    return "\n".join(
        [
            "#include <stdint.h>",
            "#include <string.h>",
            '#include "kernel.h"',
            "/* Parts of n bytes, one after the other, each at a multiple of 8 */",
            f"KERNEL void k_{_kernel(n)}(uint8_t *restrict y{pointers}{sizes}) {{",
            *lines,
            "}",
        ]
    )


def _kernel(n: Node) -> str:
    return f"pack_{len(n.inputs)}"


PACK = register(
    Op(
        "pack",
        checks_elements=True,
        infer=lambda *parts: typed("uint8", sum(map(_whole, parts))),
        eval=_eval,
        kernel=_kernel,
        source=_source,
        call=lambda n: [i.type.nbytes for i in n.inputs],
        samples=[
            Sample((float32(3), typed("int8", 2, 3)), {}, {1: lambda rng: np.ones((2, 3))}),
            Sample((float32(2), float32(1, 5), float32(1)), {}),
        ],
    )
)


def packed(parts: list[Node]) -> tuple[Node, dict[Node, int]]:
    """The row of bytes, and where each part begins in it."""
    start, at = dict[Node, int](), 0
    for n in parts:
        start[n], at = at, at + _whole(n.type)
    return build("pack", *parts), start
