"""Operators that apply the gradient of an int8 weight or an int32 bias as they compute it, so that
it needs no buffer.

Each op is a gradient and its update in one: its meaning is that of the two, bit for bit, and its
kernel applies each sum as soon as it has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.storage import Planes
from trainlet.ir.types import LARGEST, DType, TensorType
from trainlet.ops.op import OPS, Literal, Op, Sample, build, float32, register, typed
from trainlet.ops.quantized.gradient import (  # noqa: F401  they register what is fused here
    conv,
    conv_transpose,
    depthwise,
    linear,
    reduce,
)
from trainlet.ops.quantized.gradient.block import width
from trainlet.ops.quantized.gradient.sampling import draw_exponent
from trainlet.ops.quantized.sampling import Draw, draw_integers, draw_planes
from trainlet.ops.quantized.update import ROUNDINGS, SGD_OF

UPDATES = {"sgd_planes", *SGD_OF.values()}
_UPDATE_ATTRS = ("axis", "seed", "tensor", "rounding", "planes")


def applied_at_once(update: Node) -> Node | None:
    """The one node for plain SGD (p, gradient, 1 / s, rate, step) and the gradient that it reads;
    None if the two have no such node."""
    if update.op not in UPDATES or update.inputs[1].is_leaf:
        return None
    p, gradient, *rest = update.inputs
    applied = OPS[gradient.op].applied
    if applied is None:
        return None
    attrs = {**gradient.attrs, **update.attrs}
    return build(applied, p, *gradient.inputs, *rest, label=update.name, **attrs)


def taken_apart(n: Node) -> tuple[Node, Node]:
    """The gradient and the update that n is in one."""
    of = next(op.name for op in OPS.values() if op.applied == n.op)
    inputs = len(OPS[of].samples[0].types)
    how, update = _parted(n.attrs)
    g = build(of, *n.inputs[1 : 1 + inputs], label=n.name, **how)
    name = _update_op(n.inputs[0].type.dtype, update).name
    return g, build(name, n.inputs[0], g, *n.inputs[1 + inputs :], label=n.name, **update)


def applying() -> set[str]:
    """The ops that apply a gradient as they make it."""
    return {op.applied for op in OPS.values() if op.applied}


def trains_weight(n: Node) -> bool:
    """Whether n applies the gradient of an int8 weight: inputs p, gradient, x, .."""
    return n.op in applying() and n.type.dtype == "int8"


def _parted(attrs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The gradient's attributes, and the update's."""
    update = {key: attrs[key] for key in _UPDATE_ATTRS if key in attrs}
    return {key: attrs[key] for key in attrs if key not in update}, update


def _update_op(p: str, update: Mapping[str, Any]) -> Op:
    return OPS["sgd_planes" if "planes" in update else SGD_OF[p]]


def _register(of: str, applied: str) -> None:
    first, inputs = OPS[of], len(OPS[of].samples[0].types)

    def infer(p: TensorType, *others: TensorType, **attrs: Any) -> TensorType:
        how, update = _parted(attrs)
        g = first.infer(*others[:inputs], **how)
        return _update_op(p.dtype, update).infer(p, g, *others[inputs:], **update)

    def meaning(p: np.ndarray, *others: np.ndarray, **attrs: Any) -> np.ndarray:
        how, update = _parted(attrs)
        g = first.eval(*others[:inputs], **how)
        return _update_op(str(p.dtype), update).eval(p, g, *others[inputs:], **update)

    def literals(n: Node) -> tuple[Literal, ...]:
        (g, _), (_, update) = taken_apart(n), _parted(n.attrs)
        drawn = update["seed"], update["tensor"], ROUNDINGS.index(update["rounding"])
        if n.type.dtype != "int8":
            return *first.call(g), width(n.type), *drawn
        planes: Planes | None = update.get("planes")
        tensor, bits = (planes.tensor, planes.bits) if planes else (n.type, 0)
        return *first.call(g), tensor.shape[-1], *drawn, tensor.size, bits

    register(
        Op(
            applied,
            infer=infer,
            eval=meaning,
            call=literals,
            mutates=0,
            macs=lambda n: first.macs(taken_apart(n)[0]),
            samples=[made for sample in first.samples for made in _samples(of, sample)],
        )
    )


def _samples(of: str, sample: Sample) -> list[Sample]:
    """The gradient's sample with parameters to apply it to: of its shape, and of a wider one."""
    shape = OPS[of].infer(*sample.types, **sample.attrs).shape
    if of == "sum_bfp":
        kinds: tuple[DType, ...] = ("int32", "int16")
        return [
            _sample(sample, shape, 0, None, rounding, kind)
            for kind in kinds
            for rounding in ROUNDINGS
        ]
    axis, wide = (len(shape) - 1 if of.startswith("depthwise") else 0), (*shape[:-1], shape[-1] + 2)
    return [
        _sample(sample, whole, axis, (shape, bits), rounding)
        for whole, bits, rounding in [
            (shape, 0, "stochastic"),
            (wide, 0, "nearest"),
            (shape, 4, "stochastic"),
            (wide, 4, "truncate"),
            (wide, 8, "stochastic"),
        ]
    ]


def _sample(
    of: Sample, shape: tuple[int, ...], axis: int, planes: tuple[tuple[int, ...], int] | None,
    rounding: str, bias: DType = "int32",
) -> Sample:  # fmt: skip
    """planes: the shape of what learns, and its fractional bits; None for a bias of that type."""
    attrs = {**of.attrs, "axis": axis, "seed": 3, "tensor": 99, "rounding": rounding}
    p, draw = typed(bias, *shape), draw_integers(shape, LARGEST[bias] - 100)
    if planes:
        learns, bits = planes
        p, draw = typed("int8", *shape), draw_integers(shape, 127)
        if bits:
            how = Planes(p, bits, prod(learns[:-1]), learns[-1])
            attrs["planes"], draw = how, draw_planes(how)
            p = typed("int8", p.size + how.low_bytes)
    n = 1 + len(of.types)
    values: dict[int, Draw] = {
        0: draw,
        **{k + 1: draw for k, draw in of.values.items()},
        n - 1: draw_exponent(-26),
        n: lambda rng: rng.uniform(1, 400, shape[axis]).astype(np.float32),
        n + 1: lambda rng: np.array(0.7, np.float32),
        n + 2: lambda rng: np.array(5, np.int32),
    }
    rest = float32(shape[axis]), float32(), typed("int32")
    return Sample((p, *of.types, *rest), attrs, values)


for _op in list(OPS.values()):
    if _op.applied:
        _register(_op.name, _op.applied)
