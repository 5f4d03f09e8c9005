"""The divergence of a network from a teacher, both softened by a temperature."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.attention import log_softmax, softmax
from trainlet.ops.loss import large, seeded, weighted
from trainlet.ops.op import (
    ANOTHER_ORDER,
    OUR_SERIES,
    Literal,
    Op,
    Sample,
    float32,
    register,
    require,
)


def _infer_distillation(z: TensorType, t: TensorType, temperature: float) -> TensorType:
    require(z.rank == 2 and z == t, f"distillation takes two logits [N,classes], found {z}, {t}")
    return float32()


def _eval_distillation(z: np.ndarray, t: np.ndarray, temperature: float) -> np.ndarray:
    own, wanted = (log_softmax(x / np.float32(temperature)) for x in (z, t))
    divergence = (np.exp(wanted) * (wanted - own)).sum() / len(z)
    return np.asarray(divergence * np.float32(temperature) ** 2, z.dtype)


def _eval_distillation_dz(
    z: np.ndarray, t: np.ndarray, seed: np.ndarray, temperature: float
) -> np.ndarray:
    share = np.float32(temperature)
    return (softmax(z / share) - softmax(t / share)) * share / np.float32(len(z))


def _tempered(n: Node) -> tuple[Literal, ...]:
    return *n.inputs[0].type.shape, float(n.attrs["temperature"])


_TEACHER_SAMPLES = [
    Sample((float32(3, 4), float32(3, 4)), {"temperature": 4.0}),
    Sample((float32(3, 4), float32(3, 4)), {"temperature": 1.0}, {0: large}),
]
register(
    Op(
        "distillation",
        infer=_infer_distillation,
        eval=_eval_distillation,
        vjp=lambda n, g: [lambda: weighted("distillation_dz", n, g), None],
        call=_tempered,
        tolerance=8 * ANOTHER_ORDER,  # differences of logarithms that are nearly equal
        samples=_TEACHER_SAMPLES,
    )
)

register(
    Op(
        "distillation_dz",
        infer=lambda z, t, seed, temperature: z,
        eval=_eval_distillation_dz,
        call=_tempered,
        inplace=(0,),
        tolerance=OUR_SERIES,
        seed=2,
        samples=seeded(_TEACHER_SAMPLES),
    )
)
