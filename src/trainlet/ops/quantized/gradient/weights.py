"""The scales of a layer's weights as integers, and the largest factor by which the weights can
amplify a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, register, require, typed
from trainlet.ops.quantized.fixed_point import requantization
from trainlet.ops.quantized.gradient.block import EXPONENT
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import weight
from trainlet.ops.window import Pair


def _eval_scales(q: np.ndarray, factor: float) -> np.ndarray:
    s = q[0] * np.exp2(q[1] - 31.0) * factor
    k = int(np.frexp(s.max())[1])
    scaled = np.minimum(np.floor(s * 2.0 ** (15 - k) + 0.5), 32767)
    return np.array([*scaled, k], np.int16)


register(
    Op(
        "fixed_scales",
        infer=lambda q, factor: typed("int16", q.shape[1] + 1),
        eval=_eval_scales,
        lowered=True,
        samples=[
            Sample(
                (typed("int32", 2, 5),),
                {"factor": 1.7},
                {0: lambda rng: requantization(0.1, rng.uniform(1e-4, 30, 5), 0.05)},
            )
        ],
    )
)


def fixed_scales(n: Node) -> Node:
    """The weight's scales of a layer (x, w, b, q) as Q15 integers, then the k of their common
    factor 2^k: constant, hence folded."""
    factor = n.attrs["scale"] / n.attrs["source"][0]
    return build("fixed_scales", n.inputs[3], factor=factor, label=n.name)


def _gain_type(
    w: TensorType, *, view: tuple[int, ...], stride: Pair, dilation: Pair, groups: int
) -> TensorType:
    require(w.dtype == "int8" and w.size == np.prod(view), f"{w} is no weight of view {view}")
    require(view[0] % groups == 0, f"{view[0]} outputs do not fit {groups} groups")
    return EXPONENT


def _eval_gain(
    w: np.ndarray, *, view: tuple[int, ...], stride: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """Only taps congruent modulo the stride touch a given input position."""
    size = np.abs(w.astype(np.int64)).reshape(groups, -1, *view[1:])
    down, across = ((np.arange(k) * d) % s
                    for k, d, s in zip(view[1:3], dilation, stride, strict=True))  # fmt: skip
    sums = [
        size[:, :, down == y][:, :, :, across == x].sum((1, 2, 3)).max()
        for y in set(down)
        for x in set(across)
    ]
    return np.asarray(max(1, *sums), np.int32)


def _gain_of_parts(n: Node, parts: Sequence[Node]) -> Node | None:
    view = n.attrs["view"]
    if n.attrs["groups"] > 1 or parts[0].type.shape[0] != view[0]:
        return None
    gains = (
        build(n.op, p, label=n.name, **{**n.attrs, "view": (*view[:3], p.type.shape[-1])})
        for p in parts
    )
    return build("larger", *gains, label=n.name)


_WINDOW = {"stride": (2, 1), "dilation": (1, 2)}

register(
    Op(
        "weight_gain",
        infer=_gain_type,
        eval=_eval_gain,
        of_parts=_gain_of_parts,
        call=lambda n: (
            *n.attrs["view"],
            *n.attrs["stride"],
            *n.attrs["dilation"],
            n.attrs["groups"],
        ),
        samples=[
            Sample(
                (weight(*w, axis=axis),),
                {"view": view, "groups": groups, **window},
                {0: draw_int8(w)},
            )
            for w, axis, view, groups, window in [
                ((6, 3, 2, 4), 0, (6, 3, 2, 4), 1, _WINDOW),
                ((6, 3, 3, 4), 0, (6, 3, 3, 4), 2, {"stride": (2, 2), "dilation": (1, 1)}),
                ((5, 3, 4), 2, (1, 5, 3, 4), 1, {"stride": (2, 3), "dilation": (3, 1)}),
                ((4, 5), 0, (4, 1, 1, 5), 1, {"stride": (1, 1), "dilation": (1, 1)}),
            ]
        ]
        + [
            Sample(
                (weight(2, 3),),
                {"view": (2, 1, 1, 3), "stride": (1, 1), "dilation": (1, 1), "groups": 1},
                {0: lambda rng: np.zeros((2, 3), np.int8)},
            )
        ],
    )
)


def weight_gain(
    n: Node, view: tuple[int, ...], stride: Pair, dilation: Pair, groups: int = 1
) -> Node:
    """The largest sum of |w| over all products of one input element; a constant if w is frozen."""
    window: dict[str, Any] = {"stride": stride, "dilation": dilation}
    return build("weight_gain", n.inputs[1], view=view, groups=groups, label=n.name, **window)
