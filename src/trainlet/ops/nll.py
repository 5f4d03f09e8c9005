"""Negative log-likelihood, with weights of the classes and a label that counts for nothing."""

from __future__ import annotations

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.loss import LABELS, seeded, weighted
from trainlet.ops.op import ANOTHER_ORDER, Literal, Op, Sample, float32, register, require, typed


def _infer_nll(z: TensorType, label: TensorType, weights: TensorType, ignored: int) -> TensorType:
    require(
        z.rank == 2 and label == typed("int32", z.shape[0]),
        f"nll takes log-probabilities [N,classes] and labels int32[N], found {z} and {label}",
    )
    require(weights.shape == z.shape[1:], f"class weights {weights} of {z}")
    return float32()


def _label_weights(z: np.ndarray, label: np.ndarray, weights: np.ndarray, ignored: int):
    """Each row's label and weight; of an ignored label the weight is 0."""
    read = label[label != ignored]
    if read.size and (read.min() < 0 or read.max() >= z.shape[1]):
        raise DataError(f"labels must be in 0..{z.shape[1] - 1}, found {read.min()}..{read.max()}")
    own = np.where(label == ignored, 0, label)
    return own, np.where(label == ignored, 0, weights[own]).astype(z.dtype)


def _eval_nll(z: np.ndarray, label: np.ndarray, weights: np.ndarray, ignored: int) -> np.ndarray:
    own, weight = _label_weights(z, label, weights, ignored)
    with np.errstate(invalid="ignore"):
        return np.asarray(-(weight * z[np.arange(len(z)), own]).sum() / weight.sum(), z.dtype)


def _eval_nll_dz(
    z: np.ndarray, label: np.ndarray, weights: np.ndarray, seed: np.ndarray, ignored: int
) -> np.ndarray:
    own, weight = _label_weights(z, label, weights, ignored)
    slope = np.zeros_like(z)
    with np.errstate(invalid="ignore"):
        slope[np.arange(len(z)), own] = -weight / weight.sum()
    return slope


def _call_nll(n: Node) -> tuple[Literal, ...]:
    return *n.inputs[0].type.shape, int(n.attrs["ignored"])


_NLL = float32(3, 4), typed("int32", 3), float32(4)
_WEIGHTS = {2: lambda rng: rng.uniform(0.5, 2, 4).astype(np.float32)}
_NLL_SAMPLES = [
    Sample(_NLL, {"ignored": -1}, {**LABELS, **_WEIGHTS}),
    Sample(_NLL, {"ignored": 2}, {1: lambda rng: np.array([2, 0, 3], np.int32), **_WEIGHTS}),
]
register(
    Op(
        "nll",
        infer=_infer_nll,
        eval=_eval_nll,
        vjp=lambda n, g: [lambda: weighted("nll_dz", n, g), None, None],
        call=_call_nll,
        tolerance=ANOTHER_ORDER,
        samples=_NLL_SAMPLES,
    )
)

register(
    Op(
        "nll_dz",
        infer=lambda z, label, weights, seed, ignored: z,
        eval=_eval_nll_dz,
        call=_call_nll,
        tolerance=ANOTHER_ORDER,
        seed=3,
        samples=seeded(_NLL_SAMPLES),
    )
)
