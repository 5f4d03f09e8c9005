"""Losses inside a model's forward: cross-entropy and negative log-likelihood.

torch makes the others of operators that are in the table.
"""

from __future__ import annotations

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer, number
from trainlet.ir.graph import Node
from trainlet.ops.criteria import mean, rows_of_classes

MEAN = 1


@aten("cross_entropy_loss")
def _cross_entropy(
    at: Importer,
    z: Node,
    target: Node,
    weight: Node | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Node:
    smoothing, target = number(smoothing, "label_smoothing"), _labels(at, target)
    if target.type.dtype != "int32":
        return _of_probabilities(at, z, target, weight, reduction, smoothing)
    rows, label = rows_of_classes(z, target)
    if weight is None and ignored < 0:
        _check(reduction)
        return at.build("cross_entropy", rows, label, smoothing=smoothing)
    if smoothing:
        raise UnsupportedError("label_smoothing with weights or an ignored class; leave one out")
    return _nll(at, at.build("log_softmax", rows), label, weight, reduction, ignored)


@aten("nll_loss_nd", "nll_loss", "nll_loss2d")
def _nll_loss(
    at: Importer,
    z: Node,
    target: Node,
    weight: Node | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
) -> Node:
    rows, label = rows_of_classes(z, _labels(at, target))
    return _nll(at, rows, label, weight, reduction, ignored)


def _labels(at: Importer, target: Node) -> Node:
    """The target; of a buffer of labels, which is a constant of float32, its integers."""
    known = at.tensors.get(target)
    if known is None or known.is_floating_point():
        return target
    return at.index(known.numpy(), f"{at.label}.labels")


def _nll(
    at: Importer, z: Node, label: Node, weight: Node | None, reduction: int, ignored: int
) -> Node:
    _check(reduction)
    if weight is None:
        weight = at.const(np.ones(z.type.shape[1]), "class_weights")
    return at.build("nll", z, label, weight, ignored=int(ignored))


def _of_probabilities(
    at: Importer, z: Node, target: Node, weight: Node | None, reduction: int, smoothing: float
) -> Node:
    _check(reduction)
    if weight is not None or z.type.rank != 2:
        raise UnsupportedError("targets of probabilities with weights, or for each position of a "
                               "map; use labels, or write the sum out")  # fmt: skip
    if smoothing:
        shares = at.build("scale", target, factor=1 - smoothing)
        target = at.build("offset", shares, term=smoothing / z.type.shape[1])
    terms = at.build("mul", target, at.build("log_softmax", z))
    return at.build("scale", mean(terms), factor=-float(z.type.shape[1]))


def _check(reduction: int) -> None:
    if reduction != MEAN:
        raise UnsupportedError("reduction other than 'mean'; use 'mean', and multiply it")
