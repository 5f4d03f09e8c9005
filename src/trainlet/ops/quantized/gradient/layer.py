"""What the input gradients of all layers with weights have in common: two ops, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, register, require, typed
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    LIMIT,
    exponent_of,
    mantissas,
    shift_round,
    width,
)
from trainlet.ops.quantized.gradient.exponent import bits_in_all, exponent_of_sums, layer_shifts
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent, draw_scales
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import weight
from trainlet.ops.row_access import RowAccess

AT_ONCE = 4
"""Channels that a fast kernel takes at once; of fewer, a part of a weight is slow."""


def layer_dx(name: str, g: Node, w: Node, scales: Node, gain: Node, **attrs: Any) -> Node:
    """A layer's input gradient, its exponent first."""
    e, label = exponent_of(g), attrs["label"]
    out = bound = build("exponent_layer", g, scales, gain, e, label=label)
    if g.type.dtype == "int8":
        out = build(f"{name}_bfp_exponent", g, w, scales, e, gain, bound, **attrs)
    return build(f"{name}_bfp_dx", g, w, scales, e, gain, bound, out, **attrs)


def check_layer(g: TensorType, w: TensorType, r: TensorType, channels: int) -> None:
    """Raise ShapeError unless weight and scales have as many channels as the gradient."""
    require(w.dtype == "int8", f"weight {w} must be int8")
    require(
        g.shape[-1] == channels and r == typed("int16", channels + 1),
        f"scales {r} of weight {w} do not fit {g}",
    )


@dataclass(frozen=True)
class LayerDx:
    """The two ops of a layer's input gradient: its exponent as int8, and itself.

    sums:    (gradient, weight, scales, bits dropped before, **attrs) -> exact sums
    samples: (dtype, largest mantissa, shapes of g and w, attrs)
    macs:    (type of the gradient, node) -> multiply-accumulates; by default each element of g is
             multiplied with its output's weights
    inputs_apart: the weight's last axis is that of the input's channels, each of which has sums of
             its own
    """

    name: str
    infer: Callable[..., TensorType]
    sums: Callable[..., np.ndarray]
    literals: Callable[[Node, TensorType], tuple[int, ...]]
    axis: int
    samples: Sequence[tuple[str, int | None, tuple[int, ...], tuple[int, ...], dict]]
    rows: Callable[[Node], RowAccess | None] = lambda n: None
    macs: Callable[[TensorType, Node], int] | None = None
    inputs_apart: bool = False

    def exponent(
        self, g: Any, w: Any, r: Any, e: Any, gain: Any, bound: Any, **attrs: Any
    ) -> np.ndarray:
        before, _ = layer_shifts(e, r[-1], gain, bound, bound)
        sums = self.sums(g, w, r, before, **attrs)
        return exponent_of_sums(sums, e, r[-1], gain, bound)

    def dx(
        self, g: Any, w: Any, r: Any, e: Any, gain: Any, bound: Any, out: Any, **attrs: Any
    ) -> np.ndarray:
        before, after = layer_shifts(e, r[-1], gain, bound, out)
        sums = self.sums(g, w, r, before, **attrs)
        return mantissas(shift_round(sums, after), str(g.dtype))

    def sample(self, exponents: int, dtype: str, top: int | None, g: tuple[int, ...],
               w: tuple[int, ...], attrs: dict) -> Sample:  # fmt: skip
        channels, e = w[self.axis], -9
        types = block(dtype, *g), weight(*w, axis=self.axis), typed("int16", channels + 1)
        draws = draw_block(dtype, g, top), draw_int8(w), draw_scales(channels)
        gain = 127 * prod(w) // w[-1]
        bound = e - 3 - 15 + bits_in_all((top or LIMIT[dtype]) * 32767, gain)
        out = bound + (8 if dtype == "int8" else 0)
        given = [draw_exponent(k) for k in (e, gain, bound, out)[:exponents]]
        values = dict(enumerate([*draws, *given]))
        return Sample((*types, *[EXPONENT] * exponents), attrs, values)

    def register(self) -> None:
        def infer_exponent(*types: TensorType, **attrs: Any) -> TensorType:
            self.infer(*types, **attrs)
            return EXPONENT

        def literals(n: Node, dx: TensorType) -> tuple[int, ...]:
            return *self.literals(n, dx), width(n.inputs[0].type)

        def of_parts(n: Node, parts: Sequence[Node]) -> Node | None:
            g, _, *rest = n.inputs
            few = min(p.type.shape[-1] for p in parts) < AT_ONCE
            if not self.inputs_apart or few or n.attrs.get("groups", 1) > 1:
                return None
            first, second = (build(n.op, g, p, *rest, label=n.name, **n.attrs) for p in parts)
            if n.type == EXPONENT:
                return build("larger", first, second, label=n.name)
            return build("concat_bfp", first, second, rest[-1], axis=n.type.rank - 1, label=n.name)

        def dx_type(n: Node) -> TensorType:
            return self.infer(*(i.type for i in n.inputs), **n.attrs)

        def macs(n: Node) -> int:
            w = n.inputs[1].type
            if self.macs:
                return self.macs(dx_type(n), n)
            return n.inputs[0].type.size * w.size // w.shape[self.axis]

        for name, infer, meaning, exponents, rows in (
            (f"{self.name}_bfp_exponent", infer_exponent, self.exponent, 3, lambda n: None),
            (f"{self.name}_bfp_dx", self.infer, self.dx, 4, self.rows),
        ):
            register(
                Op(
                    name,
                    rows=rows,
                    infer=infer,
                    eval=meaning,
                    call=lambda n: literals(n, dx_type(n)),
                    macs=macs,
                    weight_copy=1,
                    of_parts=of_parts,
                    samples=[self.sample(exponents, *sample) for sample in self.samples],
                )
            )
