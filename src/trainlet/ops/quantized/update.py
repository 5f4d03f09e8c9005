"""Updates of quantised parameters with quantisation-aware scaling, in their own integer units.

Lin et al., 2022 (On-Device Training Under 256KB Memory), eq. 4: the gradient of the integer weight
is G * s_w, and QAS divides it by s_w^2, so the weight moves by lr * G / s_w: plain SGD on the real
weight.  Biases alike with s_w * s_x.  `inverse` holds 1 / s for every output channel.

A weight may carry `bits` extra fractional bits: its leaf then has two parts: the int8 weights, and
the fractions of the trained elements. `plane` is a view of the first part.
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.storage import Planes, join_planes, split_planes
from trainlet.ir.types import LARGEST, Quant, TensorType
from trainlet.ops.op import Literal, Op, Sample, float32, register, require, typed
from trainlet.ops.quantized.random import round_stochastic, uniform24
from trainlet.ops.quantized.sampling import draw_bases, draw_int8, draw_integers, draw_planes

ROUNDINGS = ("stochastic", "nearest", "truncate")
FARTHEST = np.float32(2.0**30 - 64)


def _to_integer(
    value: np.ndarray, rounding: str, seed: int, step: int, tensor: int, element: np.ndarray
) -> np.ndarray:
    value = np.clip(np.where(np.isnan(value), 0, value), -FARTHEST, FARTHEST)
    if rounding == "truncate":
        return np.trunc(value).astype(np.int64)
    if rounding == "nearest":
        return np.floor(value + np.float32(0.5)).astype(np.int64)
    return round_stochastic(value, uniform24(seed, step, tensor, element))


def _trained(shape: tuple[int, ...], gradient: tuple[int, ...]) -> np.ndarray:
    """The flat index in the parameter of each element of a gradient that may be narrower."""
    index = np.arange(prod(shape)).reshape(shape)
    return index[tuple(slice(n) for n in gradient)]


def _moves(
    g: np.ndarray,
    inverse: np.ndarray,
    lr: np.ndarray,
    axis: int,
    unit: int,
) -> np.ndarray:
    """-lr * G / s in 1 / unit of the integer, float32 in the order of the C code."""
    along = [-1 if k == axis else 1 for k in range(g.ndim)]
    factor = (lr * inverse[: g.shape[axis]]).astype(np.float32) * np.float32(unit)
    with np.errstate(invalid="ignore", over="ignore"):
        return -(g * factor.reshape(along)).astype(np.float32)


def _eval(
    p: np.ndarray,
    g: np.ndarray,
    inverse: np.ndarray,
    lr: np.ndarray,
    step: np.ndarray,
    *,
    axis: int,
    seed: int,
    tensor: int,
    rounding: str,
) -> np.ndarray:
    index = _trained(p.shape, g.shape)
    move = _to_integer(_moves(g, inverse, lr, axis, 1), rounding, seed, int(step), tensor, index)
    limit = LARGEST[str(p.dtype)]
    result = p.copy()
    flat = result.reshape(-1)
    flat[index] = np.clip(flat[index].astype(np.int64) + move, -limit, limit)
    return result


def _infer(p: TensorType, *_: TensorType, **__: object) -> TensorType:
    return p


def _walk(shape: tuple[int, ...], g: TensorType, axis: int) -> tuple[Literal, ...]:
    """Gradient rows, elements of a parameter's and a gradient's row, rows of one channel (0: a
    channel is a column)."""
    rows = prod(g.shape[:-1])
    if axis == len(shape) - 1:
        return rows, shape[-1], g.shape[-1], 0
    require(axis == 0, f"channels along axis {axis} of {shape}; allowed: the first or last")
    return rows, shape[-1], g.shape[-1], prod(shape[1:-1])


def _literals(n: Node) -> tuple[Literal, ...]:
    a = n.attrs
    p, g, *_ = (source.type for source in n.inputs)
    width = () if p.dtype == "int8" else (p.itemsize,)
    drawn = a["seed"], a["tensor"], ROUNDINGS.index(a["rounding"])
    return *_walk(p.shape, g, a["axis"]), *width, *drawn


def _samples(dtype: str) -> list[Sample]:
    draw = {"int8": 100, "int16": 32_700, "int32": 2_000_000_000}[dtype]

    def values(shape: tuple[int, ...]) -> dict:
        return {
            0: lambda rng: rng.integers(-draw, draw, shape).astype(dtype),
            2: lambda rng: rng.uniform(1, 400, shape[0]).astype(np.float32),
            3: lambda rng: np.float32(0.7),
            4: lambda rng: np.int32(5),
        }

    def types(shape: tuple[int, ...], gradient: tuple[int, ...]) -> tuple[TensorType, ...]:
        return (
            typed(dtype, *shape),  # type: ignore[arg-type]
            float32(*gradient),
            float32(shape[0]),
            float32(),
            typed("int32"),
        )

    shared = {"axis": 0, "seed": 3, "tensor": 99}
    weights = [((4, 3, 3, 5), (4, 3, 3, 5)), ((4, 3, 3, 5), (4, 3, 3, 2)), ((6, 3), (4, 3))]
    cases = {"int8": weights, "int16": [((6,), (6,)), ((6, 3), (6, 3))]}.get(dtype, [((6,), (6,))])
    return [
        Sample(types(s, g), {**shared, "rounding": r}, values(s))
        for s, g in cases
        for r in ROUNDINGS
    ]


SGD_OF: dict[str, str] = {"int8": "sgd_i8", "int16": "sgd_wide", "int32": "sgd_wide"}
"""The update of integers without fractional bits, by their type."""

for _name in dict.fromkeys(SGD_OF.values()):
    register(
        Op(
            _name,
            infer=_infer,
            eval=_eval,
            call=_literals,
            mutates=0,
            samples=[s for dtype, name in SGD_OF.items() if name == _name for s in _samples(dtype)],
        )
    )


def _eval_planes(
    p: np.ndarray,
    g: np.ndarray,
    inverse: np.ndarray,
    lr: np.ndarray,
    step: np.ndarray,
    *,
    axis: int,
    seed: int,
    tensor: int,
    rounding: str,
    planes: Planes,
) -> np.ndarray:
    index = _trained(planes.tensor.shape, g.shape)
    unit = 1 << planes.bits
    wide = join_planes(p, planes)
    move = _to_integer(_moves(g, inverse, lr, axis, unit), rounding, seed, int(step), tensor, index)
    wide.reshape(-1)[index] = np.clip(wide.reshape(-1)[index] + move, -127 * unit, 127 * unit)
    return split_planes(wide, planes)


def _literals_planes(n: Node) -> tuple[Literal, ...]:
    a, planes = n.attrs, n.attrs["planes"]
    walk = _walk(planes.tensor.shape, n.inputs[1].type, a["axis"])
    mode = ROUNDINGS.index(a["rounding"])
    return *walk, a["seed"], a["tensor"], mode, planes.tensor.size, planes.bits


def _planes_sample(bits: int, rounding: str, columns: int) -> Sample:
    planes = Planes(
        TensorType((4, 3, 5), "int8", Quant((1.0,) * 4, (0,) * 4, 0)), bits, 12, columns
    )
    low = (12 * columns * bits + 7) // 8
    types = (typed("int8", 60 + low), float32(4, 3, columns), float32(4), float32(), typed("int32"))
    attrs = {"axis": 0, "seed": 3, "tensor": 99, "rounding": rounding, "planes": planes}
    return Sample(types, attrs, {0: draw_planes(planes), 4: lambda rng: np.int32(5)})


register(
    Op(
        "sgd_planes",
        infer=_infer,
        eval=_eval_planes,
        call=_literals_planes,
        mutates=0,
        samples=[
            _planes_sample(bits, rounding, columns)
            for bits in (4, 8)
            for rounding in ("stochastic", "nearest")
            for columns in (5, 3)
        ],
    )
)

register(
    Op(
        "plane",
        infer=lambda p, tensor: tensor,
        eval=lambda p, tensor: p.reshape(-1)[: tensor.size].reshape(tensor.shape),
        alias=True,
        samples=[Sample((typed("int8", 10),), {"tensor": typed("int8", 2, 3)})],
    )
)


def _infer_delta(base: TensorType, delta: TensorType) -> TensorType:
    require(base.shape == delta.shape, f"{base} and {delta} differ in shape")
    return base


def _eval_delta(base: np.ndarray, delta: np.ndarray) -> np.ndarray:
    limit = LARGEST["int32"]
    return np.clip(base.astype(np.int64) + delta, -limit, limit).astype(np.int32)


register(
    Op(
        "add_delta",
        infer=_infer_delta,
        eval=_eval_delta,
        samples=[
            Sample(
                (typed("int32", 40), typed("int16", 40)),
                {},
                {0: draw_bases, 1: draw_integers((40,), LARGEST["int16"])},
            )
        ],
    )
)

register(
    Op(
        "copy_i8",
        infer=lambda w: w,
        eval=lambda w: w.copy(),
        samples=[Sample((typed("int8", 3, 5),), {}, {0: draw_int8((3, 5))})],
    )
)

register(
    Op(
        "count",
        infer=lambda step: step,
        eval=lambda step: step + np.int32(1),
        call=lambda n: (),
        mutates=0,
        samples=[Sample((typed("int32"),), {}, {0: lambda rng: np.int32(41)})],
    )
)
