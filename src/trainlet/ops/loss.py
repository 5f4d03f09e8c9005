"""Losses, each a mean over the batch, and their gradients with respect to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.graph import Node, topological
from trainlet.ir.types import TensorType
from trainlet.ops.activation import sigmoid
from trainlet.ops.attention import softmax
from trainlet.ops.op import (
    ANOTHER_ORDER,
    OUR_SERIES,
    Literal,
    Op,
    Sample,
    build,
    float32,
    register,
    require,
    same_type,
    typed,
)


def weighted(slope: str, n: Node, g: Node) -> Node:
    """The gradient of a loss n with respect to its prediction, by the op `slope`, times g.

    g is the gradient of the total: a `seed`, or what follows from one in a sum of losses.
    """
    seed = next((i for i in topological([g]) if i.op == "seed"), g)
    return times(build(slope, *n.inputs, seed, **n.attrs), g)


def times(x: Node, g: Node) -> Node:
    """x * g for a scalar g: a seed is 1, and constant factors need no product of tensors."""
    if g.op == "seed":
        return x
    if g.op == "scale":
        return build("scale", times(x, g.inputs[0]), **g.attrs)
    return build("mul", x, g)


def _infer_scalar(z: TensorType, t: TensorType) -> TensorType:
    require(z.shape == t.shape, f"prediction {z} and target {t} must have the same shape")
    return float32()


def _infer_cross_entropy(z: TensorType, label: TensorType, smoothing: float = 0) -> TensorType:
    require(
        z.rank == 2 and label == typed("int32", z.shape[0]),
        f"cross-entropy takes logits [N,classes] and labels int32[N], found {z} and {label}",
    )
    return float32()


def _soft_target(z: np.ndarray, label: np.ndarray, smoothing: float) -> np.ndarray:
    classes = z.shape[1]
    if label.min() < 0 or label.max() >= classes:
        raise DataError(f"labels must be in 0..{classes - 1}, found {label.min()}..{label.max()}")
    one_hot = np.eye(classes, dtype=z.dtype)[label]
    return one_hot * np.float32(1 - smoothing) + np.float32(smoothing / classes)


def _eval_cross_entropy(z: np.ndarray, label: np.ndarray, smoothing: float = 0) -> np.ndarray:
    shifted = z - z.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return np.asarray(-(_soft_target(z, label, smoothing) * log_p).sum() / len(z), z.dtype)


def _rows(n: Node) -> tuple[Literal, ...]:
    return *n.inputs[0].type.shape, float(n.attrs.get("smoothing", 0))


LABELS = {1: lambda rng: rng.integers(0, 4, 3).astype(np.int32)}
large = lambda rng: 100 * rng.standard_normal((3, 4))  # noqa: E731
_CE_SAMPLES = [
    Sample((float32(3, 4), typed("int32", 3)), {}, LABELS),
    Sample((float32(3, 4), typed("int32", 3)), {"smoothing": 0.1}, LABELS),
    Sample((float32(3, 4), typed("int32", 3)), {"smoothing": 0.1}, {**LABELS, 0: large}),
]


def seeded(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(sample, types=(*sample.types, float32())) for sample in samples]


register(
    Op(
        "cross_entropy",
        infer=_infer_cross_entropy,
        eval=_eval_cross_entropy,
        vjp=lambda n, g: [lambda: weighted("cross_entropy_dz", n, g), None],
        call=_rows,
        tolerance=ANOTHER_ORDER,
        samples=_CE_SAMPLES,
    )
)

register(
    Op(
        "cross_entropy_dz",
        infer=lambda z, label, seed, smoothing=0: z,
        eval=lambda z, label, seed, smoothing=0: (
            (softmax(z) - _soft_target(z, label, smoothing)) / np.float32(len(z))
        ),
        call=_rows,
        inplace=(0,),
        tolerance=OUR_SERIES,
        seed=2,
        samples=seeded(_CE_SAMPLES),
    )
)


def _bce_with_logits(z: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray((np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).mean(), z.dtype)


def _bce(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Logarithms are clamped at -100, as PyTorch does."""
    with np.errstate(divide="ignore"):
        terms = t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log(1 - p), -100)
    return np.asarray(-terms.mean(), p.dtype)


_PROBABILITY = lambda rng: rng.uniform(0.05, 0.95, (3, 4)).astype(np.float32)  # noqa: E731
# name: (meaning, gradient, the gradient's tolerance, samples' values)
_ELEMENTWISE = {
    "mse": (
        lambda z, t: np.asarray(((z - t) ** 2).mean(), z.dtype),
        lambda z, t: 2 * (z - t) / z.size,
        0,
        {},
    ),
    "bce_with_logits": (
        _bce_with_logits,
        lambda z, t: (sigmoid(z) - t) / z.size,
        OUR_SERIES,
        {1: _PROBABILITY},
    ),
    "bce": (
        _bce,
        lambda p, t: (p - t) / np.maximum(p * (1 - p), np.float32(1e-12)) / p.size,
        0,
        {0: _PROBABILITY, 1: _PROBABILITY},
    ),
}

for _name, (_meaning, _slope, _tolerance, _values) in _ELEMENTWISE.items():
    register(
        Op(
            _name,
            infer=_infer_scalar,
            eval=_meaning,
            vjp=lambda n, g: [lambda: weighted(f"{n.op}_dz", n, g), None],
            call=lambda n: (n.inputs[0].type.size,),
            tolerance=ANOTHER_ORDER,
            samples=[Sample((float32(3, 4), float32(3, 4)), {}, _values)],
        )
    )
    register(
        Op(
            f"{_name}_dz",
            infer=lambda z, t, seed: same_type(z, t),
            eval=lambda z, t, seed, slope=_slope: slope(z, t).astype(z.dtype),
            inplace=(0,),
            tolerance=_tolerance,
            seed=2,
            samples=seeded([Sample((float32(3, 4), float32(3, 4)), {}, _values)]),
        )
    )
