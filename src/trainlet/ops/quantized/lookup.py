"""Any function of a byte, element by element, as a table of its 256 values."""

from __future__ import annotations

import numpy as np

from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, register, require, typed
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import HIGHEST, LOWEST, int8, result
from trainlet.ops.row_access import RowAccess

ENTRIES = 256


def all_bytes() -> np.ndarray:
    """Every int8, in the order of a table: 0 to 127, then -128 to -1, as the bits of a byte count.

    [256] int8.
    """
    return np.arange(ENTRIES).astype(np.uint8).view(np.int8)


def _infer(x: TensorType, table: TensorType, *, scale: float, zero_point: int) -> TensorType:
    require(x.dtype == "int8", f"{x} must be int8")
    require((table.shape, table.dtype) == ((ENTRIES,), "int8"), f"table {table} is not int8[256]")
    return result(x, x.shape, scale, zero_point, LOWEST, HIGHEST)


register(
    Op(
        "lookup_i8",
        rows=lambda n: RowAccess(),
        infer=_infer,
        eval=lambda x, table, scale, zero_point: table[x.view(np.uint8)],
        inplace=(0,),
        samples=[
            Sample(
                (int8(3, 7), typed("int8", ENTRIES)),
                {"scale": 0.5, "zero_point": 3},
                {0: draw_int8((3, 7)), 1: draw_int8((ENTRIES,))},
            ),
            Sample(
                (int8(ENTRIES), typed("int8", ENTRIES)),
                {"scale": 0.5, "zero_point": -128},
                {0: lambda rng: all_bytes(), 1: draw_int8((ENTRIES,))},
            ),
        ],
    )
)
