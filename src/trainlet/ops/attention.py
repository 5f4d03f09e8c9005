"""Softmax and its logarithm over the last axis.

Scaled dot-product attention is made of the first and two products.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ops.op import (
    ANOTHER_ORDER,
    OUR_SERIES,
    Literal,
    Op,
    Sample,
    build,
    float32,
    register,
    same_type,
)


def softmax(x: np.ndarray) -> np.ndarray:
    """The softmax over the last axis; the maximum is subtracted first, so that nothing
    overflows."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


_LARGE = Sample((float32(3, 5),), {}, {0: lambda rng: 100 * rng.standard_normal((3, 5))})


def _rows(n: Node) -> tuple[Literal, ...]:
    return n.type.size // n.type.shape[-1], n.type.shape[-1]


register(
    Op(
        "softmax",
        infer=same_type,
        eval=softmax,
        vjp=lambda n, g: [lambda: build("softmax_dx", g, n, label=n.name)],
        call=_rows,
        inplace=(0,),
        tolerance=OUR_SERIES,
        samples=[Sample((float32(3, 5),)), Sample((float32(2, 2, 7),)), _LARGE],
    )
)

register(
    Op(
        "softmax_dx",
        infer=same_type,
        eval=lambda g, y: y * (g - (g * y).sum(-1, keepdims=True)),
        call=_rows,
        inplace=(0,),
        tolerance=ANOTHER_ORDER,
        samples=[Sample((float32(3, 5), float32(3, 5)))],
    )
)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax over the last axis."""
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


register(
    Op(
        "log_softmax",
        infer=same_type,
        eval=log_softmax,
        vjp=lambda n, g: [lambda: build("log_softmax_dx", g, n, label=n.name)],
        call=_rows,
        inplace=(0,),
        tolerance=OUR_SERIES,
        samples=[Sample((float32(3, 5),)), Sample((float32(2, 2, 7),)), _LARGE],
    )
)

register(
    Op(
        "log_softmax_dx",
        infer=same_type,
        eval=lambda g, y: g - np.exp(y) * g.sum(-1, keepdims=True),
        call=_rows,
        inplace=(0,),
        tolerance=ANOTHER_ORDER,
        samples=[Sample((float32(3, 5), float32(3, 5)))],
    )
)
