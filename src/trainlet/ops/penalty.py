"""Penalties on the parameters that learn: their value, and what they add to a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainlet.errors import TrainletError, shown
from trainlet.ir.arguments import finite
from trainlet.ir.types import TensorType
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, float32, register, require


@dataclass(frozen=True)
class L2:
    """weight / 2 * ||w||^2, summed over the parameters: what torch's SGD calls weight decay.

    parameters: their names; None for all that the scheme trains.  What is frozen would add a
    constant, and is left out; of a weight that learns in part, so is its frozen part.

    Raises TrainletError for a weight that is no number above 0.
    """

    weight: float
    parameters: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class Proximal:
    """weight / 2 * ||w - w0||^2, summed over the parameters: FedProx's term (Li et al., Federated
    Optimization in Heterogeneous Networks, 2020; its mu is the weight).

    w0, the anchor, is a second copy of the parameters in RAM and in the saved state: their values
    at compile time, then those that they had when `set_anchor` was called last.

    parameters: as of `L2`, with the same errors
    """

    weight: float
    parameters: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check(self)


Penalty = L2 | Proximal


def _check(penalty: Any) -> None:
    name = type(penalty).__name__
    if finite(f"the weight of {name}", penalty.weight) <= 0:
        raise TrainletError(f"the weight of {name} is {penalty.weight}; allowed: a number above 0")
    given = penalty.parameters
    if given is not None:
        names = isinstance(given, (tuple, list)) and all(isinstance(n, str) for n in given)
        if not names or not given:
            raise TrainletError(f"the parameters of {name} are {shown(given)}; allowed: None, or "
                                "a tuple of names")  # fmt: skip
        object.__setattr__(penalty, "parameters", tuple(given))


def _infer_penalty(w: TensorType, anchor: TensorType | None = None, *, factor: float) -> TensorType:
    require(anchor is None or anchor.shape == w.shape, f"an anchor {anchor} of parameters {w}")
    return float32()


def _infer_gradient(
    g: TensorType, w: TensorType, anchor: TensorType | None = None, *, factor: float
) -> TensorType:
    _infer_penalty(w, anchor, factor=factor)
    require(g.shape == w.shape, f"a gradient {g} of parameters {w}")
    return g


def _apart(w: np.ndarray, anchor: np.ndarray | None) -> np.ndarray:
    return w if anchor is None else w - anchor


_ONE, _TWO = (float32(3, 4),), (float32(3, 4), float32(3, 4))

register(
    Op(
        "penalty",
        infer=_infer_penalty,
        eval=lambda w, anchor=None, *, factor: np.asarray(
            np.float32(factor / 2) * (_apart(w, anchor) ** 2).sum(), w.dtype
        ),
        call=lambda n: (n.inputs[0].type.size, float(n.attrs["factor"] / 2)),
        pointers=2,
        tolerance=ANOTHER_ORDER,
        samples=[Sample(_ONE, {"factor": 0.3}), Sample(_TWO, {"factor": 0.3})],
    )
)

register(
    Op(
        "penalty_dw",
        infer=_infer_gradient,
        eval=lambda g, w, anchor=None, *, factor: g + np.float32(factor) * _apart(w, anchor),
        call=lambda n: (n.type.size, float(n.attrs["factor"])),
        pointers=3,
        inplace=(0,),
        samples=[
            Sample((float32(3, 4), *_ONE), {"factor": 0.3}),
            Sample((float32(3, 4), *_TWO), {"factor": 0.3}),
        ],
    )
)
