"""Sums of the features of each class: the prototypes of a head for new classes."""

from __future__ import annotations

import numpy as np

from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, float32, register, require, typed

MOST = 1e30
"""Features of a larger magnitude are refused: their sums could overflow."""


def _infer(sums: TensorType, features: TensorType, labels: TensorType) -> TensorType:
    require(
        sums.rank == features.rank == 2
        and sums.shape[1] == features.shape[1]
        and sums.dtype == features.dtype == "float32",
        f"{sums} and {features}; allowed: float32 [classes,n] and [batch,n]",
    )
    require(
        labels == typed("int32", features.shape[0]),
        f"labels {labels}; allowed: int32[{features.shape[0]}]",
    )
    return sums


def _eval(sums: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    result = sums.copy()
    for row, label in zip(features, labels, strict=True):
        result[label] += row
    return result


register(
    Op(
        "add_to_class",
        infer=_infer,
        eval=_eval,
        call=lambda n: n.inputs[1].type.shape,
        mutates=0,
        samples=[
            Sample(
                (float32(3, 5), float32(4, 5), typed("int32", 4)),
                values={2: lambda rng: rng.integers(0, 3, 4).astype(np.int32)},
            )
        ],
    )
)
