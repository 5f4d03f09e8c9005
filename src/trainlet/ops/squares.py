"""The squared gradients of a weight, added up for each of its input channels, example by example.

Each gradient is squared as soon as its kernel has it, so none is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops import conv, depthwise, linear  # noqa: F401  they register what is squared here
from trainlet.ops.op import ANOTHER_ORDER, OPS, Op, Sample, build, float32, leaf, register, require
from trainlet.ops.quantized import cast, direct  # noqa: F401  the same
from trainlet.ops.quantized.gradient.block import width
from trainlet.ops.window import Geometry

GRADIENTS = {
    "sum_squares": ("conv2d_dw", "depthwise_dw", "linear_dw"),
    "sum_squares_i8": ("conv2d_bfp_dw", "linear_bfp_dw"),
}
"""What each op squares."""
REAL = {"conv2d_i8_dw": "conv2d_dw", "linear_i8_dw": "linear_dw"}
"""Of a real gradient that reads int8 maps, the one that reads real maps."""
SOURCE = "scale", "zero"


def can_square(gradient: Node) -> bool:
    """Whether there is an op that squares a weight's gradient."""
    known = [of for kinds in GRADIENTS.values() for of in kinds]
    of = REAL.get(gradient.op, gradient.op)
    return of in known and gradient.attrs.get("groups", 1) == 1


def squares(total: Node, gradient: Node) -> Node:
    """What adds to total [channels] the squares of a weight's gradient, for each example."""
    of, attrs = REAL.get(gradient.op, gradient.op), gradient.attrs
    name = next(name for name, known in GRADIENTS.items() if of in known)
    g, x, *e = gradient.inputs
    if of != gradient.op:
        attrs = {key: value for key, value in attrs.items() if key not in SOURCE}
        x = cast.dequantized(x)
    return build(name, total, g, x, *e, label=gradient.name, of=of, **attrs)


def gradient_of_example(n: Node) -> Node:
    """The gradient of one example that n squares."""
    _, g, x, *e = (leaf("input", i.name, i.type) for i in n.inputs)
    alone = (leaf("input", i.name, i.type.with_shape((1, *i.type.shape[1:]))) for i in (g, x))
    attrs = {key: value for key, value in n.attrs.items() if key != "of"}
    return build(n.attrs["of"], *alone, *e, label=n.name, **attrs)


def _infer(
    total: TensorType, g: TensorType, x: TensorType, *e: TensorType, of: str, **attrs: Any
) -> TensorType:
    require(x.rank >= 2, f"input {x}; allowed: [batch, .., channels]")
    dw = OPS[of].infer(g, x, *e, **attrs)
    require(
        total == float32(dw.shape[-1]) and attrs.get("groups", 1) == 1,
        f"{total} of gradients {dw}; allowed: float32 [input channels], one group",
    )
    return total


def _eval(
    total: np.ndarray, g: np.ndarray, x: np.ndarray, *e: np.ndarray, of: str, **attrs: Any
) -> np.ndarray:
    for k in range(len(x)):
        dw = OPS[of].eval(g[k : k + 1], x[k : k + 1], *e, **attrs).reshape(-1, len(total))
        total = np.add.accumulate([total, *(dw * dw)])[-1]  # in the kernel's order
    return total


def _literals(n: Node) -> tuple[int, ...]:
    """As of a convolution: a linear layer is one of 1x1, a depthwise one has a group a channel."""
    (_, g, x, *_), channels = (i.type for i in n.inputs), n.type.shape[0]
    if "kernel" not in n.attrs:
        rows = prod(x.shape[1:-1])
        return x.shape[0], 1, rows, channels, 1, rows, g.shape[-1], 1, 1, 1, 1, 0, 0, 1, 1, 1
    window = Geometry.of(n)
    return replace(window, groups=window.groups or channels).literals(x, g)


def _macs(n: Node) -> int:
    gradient = gradient_of_example(n)
    return n.inputs[2].type.shape[0] * OPS[gradient.op].macs(gradient)


def _samples(of: str) -> Sequence[Sample]:
    """The gradient's samples, without groups."""
    made = []
    for sample in OPS[of].samples:
        attrs = {**sample.attrs, "of": of}
        attrs |= {"groups": 1} if "groups" in attrs else {}
        total = float32(sample.types[1].shape[-1])
        values = {k + 1: draw for k, draw in sample.values.items()}
        made.append(Sample((total, *sample.types), attrs, values))
    return made


def _register(name: str, literals: Callable[[Node], Sequence[Any]], tolerance: int) -> None:
    register(
        Op(
            name,
            infer=_infer,
            eval=_eval,
            call=literals,
            macs=_macs,
            mutates=0,
            tolerance=tolerance,
            samples=[sample for of in GRADIENTS[name] for sample in _samples(of)],
        )
    )


_register("sum_squares", _literals, 2 * ANOTHER_ORDER)
_register(
    "sum_squares_i8",
    lambda n: (
        *_literals(n),
        float(n.attrs["scale"]),
        n.attrs["zero"],
        width(n.inputs[1].type),
    ),
    0,
)
