"""Convolutions, linear layers and normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from trainlet.errors import DataError, UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.aten.windows import pads, spatial
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node


@aten("conv2d", "conv1d")
def _conv(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: str | Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    if x.type.rank == w.type.rank - 1:  # without a batch
        y = _conv(at, at.reshape(x, (1, *x.type.shape)), w, b, stride, padding, dilation, groups)
        return at.reshape(y, y.type.shape[1:])
    outputs, inputs, *kernel = w.type.shape
    size, step, reach = (spatial(x, v) for v in (kernel, stride, dilation))
    border = pads(x, padding, size, reach)
    attrs = {"stride": step, "padding": border, "dilation": reach}
    spots = range(2, w.type.rank)
    bias = () if b is None else (b,)
    if inputs == 1 and groups == outputs == x.type.shape[1]:
        weight = at.reshape(at.permute(w, *spots, 1, 0), (*size, outputs))
        return at.channels_last("depthwise", x, weight, *bias, **attrs)
    weight = at.reshape(at.permute(w, 0, *spots, 1), (outputs, *size, inputs))
    return at.channels_last("conv2d", x, weight, *bias, **attrs, groups=groups)


@aten("convolution")
def _convolution(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Node:
    if transposed or any(output_padding):
        raise UnsupportedError("a transposed convolution; use a convolution and an upsampling")
    if w.type.rank not in (3, 4):
        raise UnsupportedError(f"a convolution over {w.type.rank - 2} dimensions; allowed: 1, 2")
    return _conv(at, x, w, b, stride, padding, dilation, groups)


@aten("linear")
def _linear(at: Importer, x: Node, w: Node, b: Node | None = None) -> Node:
    return at.build("linear", x, w, *([] if b is None else [b]))


@aten("addmm")
def _addmm(at: Importer, b: Node, x: Node, w: Node, beta: float, alpha: float) -> Node:
    if (beta, alpha) != (1, 1):
        raise UnsupportedError(f"beta={beta}, alpha={alpha}; allowed: 1, 1")
    return _linear(at, x, at.permute(w, 1, 0), b)


@aten("batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def _batch_norm(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    mean: Node | None,
    var: Node | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Node:
    if training:
        raise UnsupportedError(
            "batch-norm in training mode, or without running statistics; Trainlet trains with "
            "frozen statistics: export model.eval(), with track_running_stats=True"
        )
    channels = (x.type.shape[1],)
    centre = at.value(mean, "batch-norm's running mean")
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
    term = at.const(-centre / spread, f"{at.label}.shift")
    return at.build("batch_norm", x, gamma, beta, factor, term, axis=1)


@aten("_native_batch_norm_legit_no_training")
def _batch_norm_no_training(
    at: Importer,
    x: Node,
    gamma: Node | None,
    beta: Node | None,
    mean: Node | None,
    var: Node | None,
    momentum: float,
    eps: float,
) -> list[Node]:
    return [_batch_norm(at, x, gamma, beta, mean, var, False, momentum, eps)]


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
    rank = x.type.rank
    last = at.permute(x, 0, *range(2, rank), 1)
    view = (n, prod(spots), groups, c // groups)
    y = _affine(at, at.build("normalize", last, view=view, eps=eps), gamma, beta)
    return at.permute(y, 0, rank - 1, *range(1, rank - 1))
