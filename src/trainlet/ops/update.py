"""Updates in place: each overwrites the leaf that is its first input.

A gradient may be narrower than its parameter along one axis (a sparse scheme trains the first
input channels only); the update then touches that leading part and nothing else.
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Literal, Op, Sample, float32, register, require, same_type


def _leading(p: TensorType, g: TensorType) -> tuple[int, int, int]:
    """(rows, elements of a parameter's row, elements of a gradient's row)."""
    require(
        p.rank == g.rank and all(n >= k for n, k in zip(p.shape, g.shape, strict=True)),
        f"gradient {g} does not fit parameter {p}",
    )
    narrowed = [k for k in range(p.rank) if p.shape[k] != g.shape[k]]
    require(len(narrowed) <= 1, f"gradient {g} is narrower than parameter {p} in several axes")
    axis = narrowed[0] if narrowed else 0
    return prod(p.shape[:axis]), prod(p.shape[axis:]), prod(g.shape[axis:])


def _infer_update(p: TensorType, g: TensorType, *rest: TensorType, **_: float) -> TensorType:
    _leading(p, g)
    return p


def _infer_keeping(p: TensorType, g: TensorType, lr: TensorType) -> TensorType:
    """Of an update that takes its gradient's place, so the two are of one size."""
    require(p.shape == g.shape, f"gradient {g} is not of the shape of {p}")
    return p


def _subtract(p: np.ndarray, step: np.ndarray) -> np.ndarray:
    result = p.copy()
    result[tuple(slice(n) for n in step.shape)] -= step
    return result


def _call_update(n: Node) -> tuple[Literal, ...]:
    return _leading(n.inputs[0].type, n.inputs[1].type)


register(
    Op(
        "sgd",
        infer=_infer_update,
        eval=lambda p, g, lr: _subtract(p, lr * g),
        call=_call_update,
        mutates=0,
        keeping="sgd_keeping",
        samples=[
            Sample((float32(4, 5), float32(4, 5), float32())),
            Sample((float32(4, 3, 5), float32(4, 3, 2), float32())),
            Sample((float32(4, 3, 5), float32(2, 3, 5), float32())),
        ],
    )
)

register(
    Op(
        "sgd_keeping",
        infer=_infer_keeping,
        eval=lambda p, g, lr: p - lr * g,
        mutates=0,
        samples=[Sample((float32(4, 5), float32(4, 5), float32()))],
    )
)

register(
    Op(
        "momentum",
        infer=same_type,
        eval=lambda m, g, factor: np.float32(factor) * m + g,
        call=lambda n: (n.type.size, float(n.attrs["factor"])),
        mutates=0,
        samples=[Sample((float32(4, 5), float32(4, 5)), {"factor": 0.9})],
    )
)

register(
    Op(
        "moment1",
        infer=same_type,
        eval=lambda m, g, beta: m + np.float32(1 - beta) * (g - m),
        call=lambda n: (n.type.size, float(1 - n.attrs["beta"])),
        mutates=0,
        samples=[Sample((float32(4, 5), float32(4, 5)), {"beta": 0.9})],
    )
)

register(
    Op(
        "moment2",
        infer=same_type,
        eval=lambda v, g, beta: np.float32(beta) * v + np.float32(1 - beta) * g * g,
        call=lambda n: (n.type.size, float(n.attrs["beta"]), float(1 - n.attrs["beta"])),
        mutates=0,
        samples=[Sample((float32(4, 5), float32(4, 5)), {"beta": 0.999})],
    )
)

register(
    Op(
        "decay",
        infer=lambda power, factor: power,
        eval=lambda power, factor: power * np.float32(factor),
        call=lambda n: (float(n.attrs["factor"]),),
        mutates=0,
        contracts=True,
        samples=[Sample((float32(),), {"factor": 0.9})],
    )
)


def _eval_adam(
    p: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    power1: np.ndarray,
    power2: np.ndarray,
    lr: np.ndarray,
    eps: float,
) -> np.ndarray:
    one = np.float32(1)
    root = np.sqrt(v) / np.sqrt(one - power2) + np.float32(eps)
    return _subtract(p, lr / (one - power1) * m / root)


_POWERS = {
    2: lambda rng: np.abs(rng.standard_normal((4, 2))).astype(np.float32),
    3: lambda rng: np.float32(0.81),
    4: lambda rng: np.float32(0.998),
}

register(
    Op(
        "adam",
        infer=_infer_update,
        eval=_eval_adam,
        call=lambda n: (*_call_update(n), float(n.attrs["eps"])),
        mutates=0,
        samples=[
            Sample(
                (float32(4, 5), float32(4, 2), float32(4, 2), float32(), float32(), float32()),
                {"eps": 1e-2},
                _POWERS,
            )
        ],
    )
)

register(
    Op(
        "accumulate",
        infer=same_type,
        eval=lambda total, g, factor: total + np.float32(factor) * g,
        call=lambda n: (n.type.size, float(n.attrs["factor"])),
        mutates=0,
        samples=[Sample((float32(4, 5), float32(4, 5)), {"factor": 0.25})],
    )
)

register(
    Op(
        "clear",
        infer=lambda total: total,
        eval=np.zeros_like,
        mutates=0,
        contracts=True,
        samples=[Sample((float32(4, 5),))],
    )
)


def _eval_adam_direction(
    m: np.ndarray, v: np.ndarray, power1: np.ndarray, power2: np.ndarray, eps: float
) -> np.ndarray:
    one = np.float32(1)
    root = np.sqrt(v) / np.sqrt(one - power2) + np.float32(eps)
    return m / (one - power1) / root


register(
    Op(
        "adam_direction",
        infer=lambda m, *_, eps: m,
        eval=_eval_adam_direction,
        call=lambda n: (n.type.size, float(n.attrs["eps"])),
        samples=[
            Sample(
                (float32(4, 2), float32(4, 2), float32(), float32()),
                {"eps": 1e-8},
                {k - 1: draw for k, draw in _POWERS.items()},
            )
        ],
    )
)

register(
    Op(
        "rmsprop_direction",
        infer=lambda g, v, eps: same_type(g, v),
        eval=lambda g, v, eps: g / (np.sqrt(v) + np.float32(eps)),
        call=lambda n: (n.type.size, float(n.attrs["eps"])),
        inplace=(0,),
        samples=[
            Sample(
                (float32(4, 2), float32(4, 2)),
                {"eps": 1e-8},
                {1: lambda rng: np.abs(rng.standard_normal((4, 2))).astype(np.float32)},
            )
        ],
    )
)
