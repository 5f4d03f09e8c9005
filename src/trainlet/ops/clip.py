"""Clipping to any bounds: clamp, whose gradient is 1 on a bound, and hardtanh, whose gradient is 0
there."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.activation import mask_type, pack
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import Op, Sample, build, float32, register, require
from trainlet.ops.row_access import own_rows

LARGEST = float(np.finfo(np.float32).max)
"""Stands for a missing bound: no finite float32 is larger."""


def _infer(x: TensorType, low: float, high: float, inclusive: bool) -> TensorType:
    require(abs(low) <= LARGEST and abs(high) <= LARGEST, f"bounds {low}..{high} are not finite")
    return x


def _eval(x: np.ndarray, low: float, high: float, inclusive: bool) -> np.ndarray:
    """As in torch, the result is the upper bound if the lower bound is larger than it."""
    return np.minimum(np.maximum(x, np.float32(low)), np.float32(high))


def _eval_mask(x: np.ndarray, low: float, high: float, inclusive: bool) -> np.ndarray:
    first, last = np.float32(low), np.float32(high)
    return pack((x >= first) & (x <= last) if inclusive else (x > first) & (x < last))


def _vjp(n: Node, g: Node) -> list:
    def gradient() -> Node:
        mask = build("clip_mask", n.inputs[0], label=n.name, **n.attrs)
        return build("mask_dx", g, mask, slope=1.0)

    return [gradient]


def _on_bounds(rng: np.random.Generator) -> np.ndarray:
    """Quarters within -2..2: many lie on the bounds."""
    return (rng.integers(-8, 9, 40) / 4).astype(np.float32)


_CLAMP = {"low": -1.0, "high": 0.5, "inclusive": True}
_FLOOR = {"low": 0.0, "high": LARGEST, "inclusive": True}
_HARDTANH = {"low": -1.0, "high": 0.5, "inclusive": False}

register(
    Op(
        "clip",
        rows=own_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=lambda n: (n.type.size, float(n.attrs["low"]), float(n.attrs["high"])),
        element=lambda attrs: (float(attrs["low"]), float(attrs["high"])),
        inplace=(0,),
        layout=ELEMENTWISE,
        kinks=lambda attrs: (attrs["low"], attrs["high"]),
        samples=[
            Sample((float32(3, 5),), _CLAMP),
            Sample((float32(3, 5),), _HARDTANH),
            Sample((float32(3, 5),), _FLOOR),
        ],
    )
)

register(
    Op(
        "clip_mask",
        rows=own_rows,
        infer=lambda x, low, high, inclusive: mask_type(_infer(x, low, high, inclusive)),
        eval=_eval_mask,
        call=lambda n: (
            n.inputs[0].type.size,
            float(n.attrs["low"]),
            float(n.attrs["high"]),
            int(n.attrs["inclusive"]),
        ),
        samples=[
            Sample((float32(40),), _CLAMP, {0: _on_bounds}),
            Sample((float32(40),), _FLOOR, {0: _on_bounds}),
            Sample((float32(40),), _HARDTANH, {0: _on_bounds}),
        ],
    )
)
