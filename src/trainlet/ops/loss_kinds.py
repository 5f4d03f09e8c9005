"""The kinds of losses: what each compares with what, and the operators that compute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainlet.errors import TrainletError
from trainlet.ir.graph import Node, unused
from trainlet.ir.types import TensorType
from trainlet.ops import criteria
from trainlet.ops.op import build, float32, leaf, typed

Types = Sequence[TensorType]
Values = dict[str, np.ndarray]
Loss = Any
"""A `trainlet.ops.objective.Loss`: its options are read."""


@dataclass(frozen=True)
class Kind:
    """A kind of loss.

    target:    the predictions' types -> the target's, None where there is no target
    build:     (loss, predictions, target, values of new constants) -> the loss
    options:   the options of `Loss` that go with it, beside weight, output and target
    of_logits: it takes a softmax of the prediction itself
    reads:     how many outputs
    of_signs:  the elements of its target are 1 or -1
    """

    target: Callable[[Types], TensorType | None]
    build: Callable[[Loss, Sequence[Node], Any, Values], Node]
    options: tuple[str, ...] = ()
    of_logits: bool = False
    reads: int = 1
    of_signs: bool = False


def _labels(types: Types) -> TensorType:
    return typed("int32", types[0].shape[0], *types[0].shape[2:])


def _alike(types: Types) -> TensorType:
    return types[0]


def _one_a_row(types: Types) -> TensorType:
    return float32(types[0].shape[0])


def alone(types: Types) -> None:
    return None


def _operator(loss: Loss, predictions: Sequence[Node], target: Node, values: Values) -> Node:
    return build(loss.name, *predictions, target)


def _cross_entropy(loss: Loss, predictions: Sequence[Node], target: Node, values: Values) -> Node:
    """In one operator, unless classes have weights or labels are ignored."""
    z, label = criteria.rows_of_classes(predictions[0], target)
    if loss.class_weights is None and loss.ignore_index is None:
        return build("cross_entropy", z, label, smoothing=loss.label_smoothing)
    return _nll(loss, build("log_softmax", z), label, values)


def _nll_of_output(loss: Loss, predictions: Sequence[Node], target: Node, values: Values) -> Node:
    return _nll(loss, *criteria.rows_of_classes(predictions[0], target), values)


def _nll(loss: Loss, z: Node, label: Node, values: Values) -> Node:
    classes = z.type.shape[1]
    weights = np.asarray(loss.class_weights or (1.0,) * classes, np.float32)
    if len(weights) != classes:
        raise TrainletError(f"{len(weights)} class weights of {classes} classes")
    name = unused("class_weights", values)
    values[name] = weights
    ignored = -1 if loss.ignore_index is None else loss.ignore_index
    return build("nll", z, label, leaf("const", name, float32(classes)), ignored=ignored)


def _made_of(function: Callable[..., Node], *options: str) -> Callable[..., Node]:
    """A loss of other operators, whose options are numbers."""

    def make(loss: Loss, predictions: Sequence[Node], target: Node | None, values: Values) -> Node:
        operands = predictions if target is None else [*predictions, target]
        return function(*operands, **{option: getattr(loss, option) for option in options})

    return make


KINDS = {
    "cross_entropy": Kind(
        _labels, _cross_entropy, ("label_smoothing", "class_weights", "ignore_index"), True
    ),
    "mse": Kind(_alike, _operator),
    "bce": Kind(_alike, _operator),
    "bce_with_logits": Kind(_alike, _operator),
    "nll": Kind(_labels, _nll_of_output, ("class_weights", "ignore_index"), True),
    "l1": Kind(_alike, _made_of(criteria.l1)),
    "huber": Kind(_alike, _made_of(criteria.huber, "delta"), ("delta",)),
    "smooth_l1": Kind(_alike, _made_of(criteria.smooth_l1, "beta"), ("beta",)),
    "distillation": Kind(
        _alike,
        lambda loss, z, target, _: build("distillation", *z, target, temperature=loss.temperature),
        ("temperature",),
        True,
    ),
    "triplet_margin": Kind(
        alone, _made_of(criteria.triplet_margin, "margin"), ("margin",), reads=3
    ),
    "contrastive": Kind(_one_a_row, _made_of(criteria.contrastive, "margin"), ("margin",), reads=2),
    "cosine_embedding": Kind(
        _one_a_row,
        _made_of(criteria.cosine_embedding, "margin"),
        ("margin",),
        reads=2,
        of_signs=True,
    ),
    "output": Kind(alone, _made_of(criteria.own_loss)),
}
