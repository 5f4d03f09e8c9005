"""Random nodes of the ops that apply or square an integer gradient at once, made of the gradients'
own."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from kernels.gradients import RANDOM as GRADIENTS
from kernels.gradients import Given, Random, node
from trainlet.ir.storage import Planes, split_planes
from trainlet.ir.types import LARGEST, Quant, TensorType
from trainlet.ops.op import OPS, float32, leaf, typed
from trainlet.ops.quantized.update import ROUNDINGS
from trainlet.ops.squares import can_square, squares

RATES = [0.45, 0.45, 0.04, 0.03, 0.03]
"""How often a move is small, large, farther than any weight, infinite, and no number."""


def weight_of(rng: Random, shape: tuple[int, ...], bits: int) -> tuple[np.ndarray, Planes | None]:
    """A weight with perhaps more columns than learn, and how its bits lie."""
    wide = (*shape[:-1], shape[-1] + int(rng.integers(0, 3)))
    kind = TensorType(wide, "int8", Quant((1.0,) * wide[0], (0,) * wide[0], 0))
    if not bits:
        return rng.integers(-127, 128, wide).astype(np.int8), None
    planes = Planes(kind, bits, prod(shape[:-1]), shape[-1])
    values = rng.integers(-127, 128, wide) * (1 << bits)
    return split_planes(values, planes), planes


def applied(of: str) -> Callable[[Random], Given]:
    """The gradient's node and arrays, and the parameter, rates and step of an update."""

    def made(rng: Random) -> Given:
        gradient, arrays = GRADIENTS[of](rng)
        attrs = {**gradient.attrs, "axis": 0, "seed": 3, "tensor": 99}
        attrs["rounding"] = str(rng.choice(ROUNDINGS))
        shape = gradient.type.shape
        if of == "sum_bfp":
            kind = str(rng.choice(["int32", "int16"]))
            most = LARGEST[kind]
            ends = rng.choice([-1, 1]) * (most - rng.integers(0, 4, shape))
            p = np.where(rng.random(shape) < 0.8, ends, rng.integers(-most, most + 1, shape))
            p = p.astype(kind)
        else:
            p, planes = weight_of(rng, shape, int(rng.choice([0, 4, 8])))
            attrs |= {"planes": planes} if planes else {}
        real = OPS[of].eval(*arrays, **gradient.attrs)
        size = max(float(np.abs(real).max()), 1e-30)
        rate = np.float32(rng.choice([0.3, 30.0, 1e5, np.inf, np.nan], p=RATES) / size)
        scales = rng.uniform(1, 4, shape[0]).astype(np.float32)
        types = [typed(str(p.dtype), *p.shape), *(i.type for i in gradient.inputs)]  # type: ignore
        types += [float32(shape[0]), float32(), typed("int32")]
        step = np.asarray(rng.integers(0, 1000), np.int32)
        return node(str(OPS[of].applied), *types, **attrs), [
            p,
            *arrays,
            scales,
            np.asarray(rate),
            step,
        ]

    return made


def squared(rng: Random) -> Given:
    """The sums of squares before, and a gradient without groups."""
    while True:
        gradient, arrays = GRADIENTS[str(rng.choice(["conv2d_bfp_dw", "linear_bfp_dw"]))](rng)
        if can_square(gradient):
            total = rng.uniform(0, 1, gradient.type.shape[-1]).astype(np.float32)
            return squares(leaf("state", "total", float32(*total.shape)), gradient), [
                total,
                *arrays,
            ]


RANDOM = {
    "sum_squares_i8": squared,
    **{str(OPS[of].applied): applied(of) for of in ("conv2d_bfp_dw", "linear_bfp_dw", "sum_bfp")},
}
