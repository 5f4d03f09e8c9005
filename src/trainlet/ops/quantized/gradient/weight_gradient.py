"""What the gradients of all layers with weights have in common: the gradient rule, and the op of
the weight gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.op import Chosen, Op, Sample, Thunk, build, float32, register
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    power_of_two,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.layer import layer_dx
from trainlet.ops.quantized.gradient.reduce import bias_gradient
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.gradient.weights import fixed_scales
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import check_source, int8


def layer_gradients(
    name: str, n: Node, g: Node, gain: Thunk, dx_attrs: Mapping[str, Any],
    dw_attrs: Mapping[str, Any], inside: Thunk | None = None,
) -> list[Thunk | None]:  # fmt: skip
    """The rule of a layer (x, w, b, q) of the family `name`.

    gain: makes its weight's gain; inside: makes the gradient before the clamp, where that is known
    """
    x, w, b, _ = n.inputs
    inside, (scale, zero) = inside or masked_block(n, g), n.attrs["source"]

    def dx() -> Node:
        return layer_dx(name, inside(), w, fixed_scales(n), gain(), **dx_attrs, label=n.name)

    def dw() -> Node:
        gradient = inside()
        return build(f"{name}_bfp_dw", gradient, x, exponent_of(gradient), scale=scale, zero=zero,
                     **dw_attrs, label=n.name)  # fmt: skip

    return [dx, dw, lambda: bias_gradient(inside(), b), None]


def real_sums(total: np.ndarray, e: np.ndarray, scale: float) -> np.ndarray:
    """Exact sums of mantissas times integers of `scale`, in real units, rounded to float32."""
    return total.astype(np.int64).astype(np.float32) * (np.float32(scale) * power_of_two(e))


def narrow_inputs(n: Node, chosen: Chosen) -> Node:
    """The gradient n of the chosen input channels alone."""
    g, x, e = n.inputs
    return build(n.op, g, chosen_channels(x, chosen), e, label=n.name, **n.attrs)


@dataclass(frozen=True)
class LayerDw:
    """The op of a layer's weight gradient, of mantissas g and inputs x.

    shape:    types of g and x, **attrs -> shape of the weight; raises ShapeError
    sums:     (g, x less its zero point, **attrs) -> exact sums in int64 or float64
    literals: node -> sizes for the C call; `scale`, `zero` and the width of a mantissa follow
    axis:     of the weight's output channels
    samples:  (dtype, shapes of g and x, attrs); `source`, the scale and zero point of x, in all
    macs:     node -> multiply-accumulates; by default each element of g is multiplied with its
              output's weights
    """

    name: str
    shape: Callable[..., tuple[int, ...]]
    sums: Callable[..., np.ndarray]
    literals: Callable[[Node], tuple[int, ...]]
    axis: int
    source: tuple[float, int]
    samples: Sequence[tuple[str, tuple[int, ...], tuple[int, ...], dict]]
    narrow: Callable[[Node, Chosen], Node] = narrow_inputs
    macs: Callable[[Node], int] | None = None

    def infer(
        self, g: TensorType, x: TensorType, e: TensorType, *, scale: float, zero: int, **attrs: Any
    ) -> TensorType:
        check_block(g, e)
        check_source(x, (scale, zero))
        return float32(*self.shape(g, x, **attrs))

    def dw(
        self, g: np.ndarray, x: np.ndarray, e: np.ndarray, *, scale: float, zero: int, **attrs: Any
    ) -> np.ndarray:
        return real_sums(self.sums(g, x.astype(np.int64) - zero, **attrs), e, scale)

    def sample(self, dtype: str, g: tuple[int, ...], x: tuple[int, ...], attrs: dict) -> Sample:
        scale, zero = self.source
        return Sample(
            (block(dtype, *g), int8(*x, scale=scale, zero_point=zero), EXPONENT),
            {**attrs, "scale": scale, "zero": zero},
            {0: draw_block(dtype, g), 1: draw_int8(x), 2: draw_exponent(-21)},
        )

    def _macs(self, n: Node) -> int:
        return n.inputs[0].type.size * n.type.size // n.type.shape[self.axis]

    def register(self) -> None:
        register(
            Op(
                f"{self.name}_bfp_dw",
                infer=self.infer,
                eval=self.dw,
                narrow=self.narrow,
                applied=f"{self.name}_bfp_sgd",
                call=lambda n: (
                    *self.literals(n),
                    float(n.attrs["scale"]),
                    n.attrs["zero"],
                    width(n.inputs[0].type),
                ),
                macs=self.macs or self._macs,
                samples=[self.sample(*sample) for sample in self.samples],
            )
        )
