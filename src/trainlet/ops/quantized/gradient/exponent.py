"""Exponents of gradients, chosen before the products are summed.

Each is a scan of what is there: the largest mantissa, times what a layer can gain at most.  No sum
can overflow, and since the actual maximum counts, what the bound wastes in one layer is not wasted
again in the next.  Of 15 bits a bound may waste some; of 7 it may not, so a layer whose mantissas
are int8 makes its sums twice: first for the largest, then to be kept.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, float32, register, require, typed
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    LIMIT,
    check_block,
    exponent_of,
    moved,
    rows,
    shift_round,
    width,
)
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent, draw_scales

SMALLEST = -100
"""Gradients below 2^-100 are zero."""

ACCUMULATED = 16
"""A sum of products has 31 bits, a mantissa 15."""


def _eval_f32(x: np.ndarray, bits: int) -> np.ndarray:
    top = int((x.astype(np.float32).reshape(-1).view(np.int32) & 0x7FFFFFFF).max())
    return np.asarray(max((top >> 23) - 126, SMALLEST) - bits + 1, np.int32)


register(
    Op(
        "exponent_f32",
        infer=lambda x, bits: EXPONENT,
        eval=_eval_f32,
        call=lambda n: (n.inputs[0].type.size, n.attrs["bits"]),
        samples=[
            Sample((float32(5, 8),), {"bits": 16}),
            Sample((float32(4),), {"bits": 8}, {0: lambda rng: np.zeros(4)}),
            Sample((float32(2),), {"bits": 16}, {0: lambda rng: np.array([1e-42, -1e-45])}),
            Sample((float32(2),), {"bits": 16}, {0: lambda rng: np.array([np.nan, 1])}),
            Sample((float32(2),), {"bits": 8}, {0: lambda rng: np.array([-3e38, 4])}),
        ],
    )
)


def _top(g: np.ndarray) -> int:
    return int(np.abs(g.astype(np.int64)).max())


def _scan_type(
    g: TensorType, e: TensorType, *, gain: int, shift: int, slack: int, limit: int
) -> TensorType:
    check_block(g, e)
    require(0 < gain < 1 << 31 and limit in LIMIT.values(), f"gain {gain}, limit {limit}")
    return EXPONENT


def _eval_scan(
    g: np.ndarray, e: np.ndarray, *, gain: int, shift: int, slack: int, limit: int
) -> np.ndarray:
    bound, s = _top(g) * gain, 0
    if bound > limit:
        s = 1
        while bound + (slack << s) > limit << s:
            s += 1
    return np.asarray(int(e) + shift + s, np.int32)


register(
    Op(
        "exponent_scan",
        infer=_scan_type,
        eval=_eval_scan,
        call=lambda n: (
            n.inputs[0].type.size,
            *(n.attrs[key] for key in ("gain", "shift", "slack", "limit")),
            width(n.inputs[0].type),
        ),
        samples=[
            Sample(
                (block(dtype, 30), EXPONENT),
                {"gain": gain, "shift": -15, "slack": 2, "limit": limit},
                {0: draw_block(dtype, (30,), top), 1: draw_exponent(-7)},
            )
            for dtype, gain, limit, top in [
                ("int16", 1, 127, None),
                ("int16", 32768 * 4, 32767, None),
                ("int8", 3, 127, None),
                ("int16", 1, 127, 127),
                ("int16", 1, 127, 254),
            ]
        ],
    )
)


def scanned(g: Node, gain: int, shift: int = 0, slack: int = 1) -> Node:
    """The exponent of results of at most gain * g * 2^shift, each of them rounded `slack` times."""
    attrs = {"gain": gain, "shift": shift, "slack": slack, "limit": LIMIT[g.type.dtype]}
    return build("exponent_scan", g, exponent_of(g), label=g.name, **attrs)


def bits_before(total: int, gain: int) -> int:
    """Of all bits that a layer drops, those before its products are summed: a sum grows by the
    gain, so the factors are left 16 bits, and two products are one instruction."""
    return total - min(total, gain.bit_length() - 1, ACCUMULATED)


def bits_in_all(top: int, gain: int) -> int:
    """Bits to drop of sums of factors of at most `top` and weights of at most `gain` in all."""
    s = 0
    while (top + (1 << bits_before(s, gain))) * gain > 32766 << s:
        s += 1
    return s


def layer_shifts(
    e: np.ndarray, k: int, gain: np.ndarray, bound: np.ndarray, out: np.ndarray
) -> tuple[int, int]:
    """The shifts of a layer's factors, so that they have 16 bits and their sums 31, and of the
    sums; k is the exponent of the scales in Q15."""
    before = bits_before(int(bound) - int(e) - int(k) + 15, int(gain))
    return before, int(out) - int(e) - int(k) + 15 - before


def exponent_of_sums(
    total: np.ndarray, e: np.ndarray, k: int, gain: np.ndarray, bound: np.ndarray
) -> np.ndarray:
    """What the largest of a layer's sums needs in int8 mantissas."""
    before, top, s = layer_shifts(e, k, gain, bound, bound)[0], np.abs(total).max(), 0
    while int(shift_round(top, s)) > LIMIT["int8"]:
        s += 1
    return np.asarray(int(e) + int(k) - 15 + before + s, np.int32)


def _layer_type(g: TensorType, r: TensorType, gain: TensorType, e: TensorType) -> TensorType:
    check_block(g, e, gain)
    require(r == typed("int16", g.shape[-1] + 1), f"scales {r} do not fit {g}")
    return EXPONENT


def _eval_layer(g: np.ndarray, r: np.ndarray, gain: np.ndarray, e: np.ndarray) -> np.ndarray:
    s = bits_in_all(_top(g.astype(np.int64) * r[:-1]), int(gain))
    return np.asarray(int(e) + int(r[-1]) - 15 + s, np.int32)


register(
    Op(
        "exponent_layer",
        infer=_layer_type,
        eval=_eval_layer,
        call=lambda n: (
            rows(n.inputs[0].type),
            n.inputs[0].type.shape[-1],
            width(n.inputs[0].type),
        ),
        samples=[
            Sample(
                (block(dtype, 6, 5), typed("int16", 6), EXPONENT, EXPONENT),
                {},
                {
                    0: draw_block(dtype, (6, 5), top),
                    1: draw_scales(5),
                    2: draw_exponent(gain),
                    3: draw_exponent(-20),
                },
            )
            for dtype, top, gain in [
                ("int16", None, 9000),
                ("int16", None, 127 << 15),
                ("int16", 1, 1),
                ("int8", None, 127),
            ]
        ],
    )
)


def _larger_type(*types: TensorType) -> TensorType:
    require(types == (EXPONENT, EXPONENT), f"{types} are not int32[]")
    return EXPONENT


register(
    Op(
        "larger",
        infer=_larger_type,
        eval=lambda a, b: np.maximum(a, b),
        call=lambda n: (),
        samples=[
            Sample((EXPONENT, EXPONENT), {}, {0: draw_exponent(a), 1: draw_exponent(b)})
            for a, b in [(-20, 3), (7, -90)]
        ],
    )
)


def _add_type(a: TensorType, b: TensorType, *exponents: TensorType) -> TensorType:
    require(a == b, f"{a} and {b} differ")
    check_block(a, *exponents)
    return EXPONENT


def _eval_add(a: np.ndarray, b: np.ndarray, ea: np.ndarray, eb: np.ndarray) -> np.ndarray:
    tops, es = [_top(a), _top(b)], [int(ea), int(eb)]
    es = [es[1 - k] if tops[k] == 0 else es[k] for k in range(2)]
    e = max(min(es), max(es) - 15)
    limit = LIMIT[str(a.dtype)]
    while sum(int(moved(np.asarray(t), e - own)) for t, own in zip(tops, es, strict=True)) > limit:
        e += 1
    return np.asarray(e, np.int32)


register(
    Op(
        "exponent_add",
        infer=_add_type,
        eval=_eval_add,
        call=lambda n: (n.inputs[0].type.size, width(n.inputs[0].type)),
        samples=[
            Sample(
                (block(dtype, 9), block(dtype, 9), EXPONENT, EXPONENT),
                {},
                {
                    0: draw_block(dtype, (9,), top),
                    1: draw_block(dtype, (9,)),
                    2: draw_exponent(-20),
                    3: draw_exponent(other),
                },
            )
            for dtype, top, other in [
                ("int16", None, -20),
                ("int16", 5, -29),
                ("int16", None, -60),
                ("int16", 3, 40),
                ("int8", None, -18),
            ]
        ]
        + [
            Sample(
                (block("int16", 3), block("int16", 3), EXPONENT, EXPONENT),
                {},
                {0: lambda rng: np.zeros(3, np.int16), 2: draw_exponent(90), 3: draw_exponent(-9)},
            )
        ],
    )
)
