"""Any function of a byte, element by element, as a table of its 256 values."""

from __future__ import annotations

from functools import partial

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, Op, Sample, Thunk, build, register, require, typed
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import HIGHEST, LOWEST, int8, result
from trainlet.ops.row_access import RowAccess
from trainlet.ops.ties import elementwise

ENTRIES = 256
Parameters = tuple[tuple[str, float], ...]


def all_bytes() -> np.ndarray:
    """Every int8, in the order of a table: 0 to 127, then -128 to -1, as the bits of a byte count.

    [256] int8.
    """
    return np.arange(ENTRIES).astype(np.uint8).view(np.int8)


def _infer(
    x: TensorType, table: TensorType, *, scale: float, zero_point: int, function: str = "",
    parameters: Parameters = (),
) -> TensorType:  # fmt: skip
    """function: the float op that the table is of, and its attributes; empty where no gradient
    passes."""
    require(x.dtype == "int8", f"{x} must be int8")
    require((table.shape, table.dtype) == ((ENTRIES,), "int8"), f"table {table} is not int8[256]")
    return result(x, x.shape, scale, zero_point, LOWEST, HIGHEST)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    """As of the function of the real values."""
    function = n.attrs.get("function", "")
    if not function:
        return [None, None]

    def dx() -> Node:
        inside = _unclamped(n, g)
        real = build(
            function, dequantized(n.inputs[0]), label=n.name, **dict(n.attrs["parameters"])
        )
        rule = (OPS[function].vjp or (lambda *_: []))(real, inside)[0]
        assert rule is not None
        return rule()

    return [dx, None]


def _unclamped(n: Node, g: Node) -> Node:
    """The gradient where the result is not at an end of int8."""
    mask = build("clamp_mask_i8", n, low=LOWEST, high=HIGHEST, label=n.name)
    return build("mask_dx", g, mask, slope=1.0, label=n.name)


def _draw_table(rng: np.random.Generator) -> np.ndarray:
    """Without the ends of int8, where no gradient passes."""
    return rng.integers(LOWEST + 1, HIGHEST, ENTRIES).astype(np.int8)


register(
    Op(
        "lookup_i8",
        ties=partial(elementwise, positions=(0,)),
        rows=lambda n: RowAccess(),
        infer=_infer,
        eval=lambda x, table, **_: table[x.view(np.uint8)],
        vjp=_vjp,
        inplace=(0,),
        samples=[
            Sample(
                (int8(3, 7, scale=0.01), typed("int8", ENTRIES)),
                {"scale": 0.5, "zero_point": 3, "function": "tanh", "parameters": ()},
                {0: draw_int8((3, 7)), 1: _draw_table},
            ),
            Sample(
                (int8(ENTRIES), typed("int8", ENTRIES)),
                {
                    "scale": 0.5,
                    "zero_point": -128,
                    "function": "leaky_relu",
                    "parameters": (("slope", 0.5),),
                },
                {0: lambda rng: all_bytes(), 1: _draw_table},
            ),
        ],
    )
)
