"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from trainlet.errors import DataError, UnsupportedError
from trainlet.frontends.aten.reductions import mean
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node


@aten("batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def _batch_norm(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    centre: Node | None,
    var: Node | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Node:
    if training and centre is None and var is None:
        return _batch_statistics(at, x, gamma, beta, eps)
    if training:
        raise UnsupportedError(
            "batch-norm in training mode; Trainlet trains with frozen statistics: export "
            "model.eval(), or make the layer with track_running_stats=False, which normalises by "
            "the statistics of the batch"
        )
    channels = (x.type.shape[1],)
    middle = at.value(centre, "batch-norm's running mean")
    variance = at.value(var, "batch-norm's running variance") + np.float32(eps)
    if not (variance > np.finfo(np.float32).tiny).all():
        raise DataError(
            f"the batch-norm {at.label!r} has {int((variance <= 0).sum())} channels whose variance "
            "+ eps is not above zero, so that its output is infinite; train it, or give it an eps"
        )
    spread = np.sqrt(variance)
    gamma = gamma or at.const(np.ones(channels), f"{at.label}.ones")
    beta = beta or at.const(np.zeros(channels), f"{at.label}.zeros")
    factor = at.const(1 / spread, f"{at.label}.rstd")
    term = at.const(-middle / spread, f"{at.label}.shift")
    return at.build("batch_norm", x, gamma, beta, factor, term, axis=1)


def _batch_statistics(
    at: Importer, x: Node, gamma: Node | None, beta: Node | None, eps: float
) -> Node:
    """Each channel by the mean and the variance of the batch at hand."""
    last, (channels,) = _to_last(at, x), x.type.shape[1:2]
    view = (1, x.type.size // channels, channels, 1)
    y = _affine(at, at.build("normalize", last, view=view, eps=eps), gamma, beta)
    return _from_last(at, y)


def _to_last(at: Importer, x: Node) -> Node:
    """Channels, dimension 1, last."""
    return at.permute(x, 0, *range(2, x.type.rank), 1)


def _from_last(at: Importer, x: Node) -> Node:
    last = x.type.rank - 1
    return at.permute(x, 0, last, *range(1, last))


@aten("_native_batch_norm_legit_no_training")
def _batch_norm_no_training(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    centre: Node | None,
    var: Node | None,
    momentum: float,
    eps: float,
) -> list[Node]:
    return [_batch_norm(at, x, gamma, beta, centre, var, False, momentum, eps)]


def _affine(at: Importer, x: Node, gamma: Node | None, beta: Node | None) -> Node:
    """x * gamma + beta over the last dimensions."""
    x = x if gamma is None else at.build("mul", x, gamma)
    return x if beta is None else at.build("add", x, beta)


@aten("layer_norm")
def _layer_norm(
    at: Importer,
    x: Node,
    shape: Sequence[int],
    gamma: Node | None,
    beta: Node | None,
    eps: float,
) -> Node:
    size = prod(shape)
    view = (x.type.size // size, 1, 1, size)
    return _affine(at, at.build("normalize", x, view=view, eps=eps), gamma, beta)


@aten("group_norm")
def _group_norm(
    at: Importer,
    x: Node,
    groups: int,
    gamma: Node | None,
    beta: Node | None,
    eps: float,
) -> Node:
    n, c, *spots = x.type.shape
    view = (n, prod(spots), groups, c // groups)
    y = _affine(at, at.build("normalize", _to_last(at, x), view=view, eps=eps), gamma, beta)
    return _from_last(at, y)


@aten("instance_norm")
def _instance_norm(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    centre: Node | None,
    var: Node | None,
    own: bool,
    momentum: float,
    eps: float,
) -> Node:
    """A group norm with a group for each channel; by running statistics, a batch norm."""
    if not own:
        return _batch_norm(at, x, gamma, beta, centre, var, False, momentum, eps)
    return _group_norm(at, x, x.type.shape[1], gamma, beta, eps)


@aten("rms_norm")
def _rms_norm(
    at: Importer, x: Node, shape: Sequence[int], gamma: Node | None, eps: float | None
) -> Node:
    last = list(range(x.type.rank - len(shape), x.type.rank))
    squares = mean(at, at.build("square", x), last, True)
    least = float(np.finfo(np.float32).eps) if eps is None else eps
    factor = at.build("rsqrt", at.build("offset", squares, term=least))
    return _affine(at, at.build("mul", x, factor), gamma, None)
