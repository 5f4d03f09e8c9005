"""Slices that known indices name, read or replaced: what exporters write for x[:, [0, 3]] and for
assignments to a part of a tensor."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node
from trainlet.ops.op import require


def _slices(at: Builder, x: Node, batch: int = 0) -> tuple[np.ndarray, int]:
    """The number of each slice that the indices name, and how many dimensions count them.

    Indices [.., r] name slices by their place in the r dimensions behind the first `batch`.
    """
    index = at.constant(1, "indices").astype(np.int64)
    require(index.ndim > batch, f"indices of shape {index.shape} with batch_dims={batch}")
    depth = index.shape[-1]
    counted = batch + depth
    require(0 < depth and counted <= x.type.rank, f"indices of shape {index.shape} of {x.type}")
    sizes = x.type.shape[:counted]
    require(index.shape[:batch] == sizes[:batch], f"indices of shape {index.shape} of {x.type}")
    places = [*np.indices(index.shape[:-1])[:batch], *np.moveaxis(index, -1, 0)]
    for place, size in zip(places, sizes, strict=True):
        require(bool(((-size <= place) & (place < size)).all()), f"an index out of {size} slices")
    wrapped = [place % size for place, size in zip(places, sizes, strict=True)]
    return np.asarray(np.ravel_multi_index(tuple(wrapped), sizes)), counted


@onnx("GatherND")
def _gather_nd(at: Builder) -> Node:
    x = at.input(0)
    chosen, counted = _slices(at, x, at.attribute("batch_dims", 0))
    rest = x.type.shape[counted:]
    rows = at.reshape(x, (prod(x.type.shape[:counted]), *rest))
    y = at.aten("index_select", rows, 0, at.known_index(chosen.reshape(-1)))
    return at.reshape(y, (*chosen.shape, *rest))


@onnx("ScatterND")
def _scatter_nd(at: Builder) -> Node:
    """Slices of x and of the updates, in their new order."""
    x, updates = at.input(0), at.input(2)
    one_of(at.attribute("reduction", "none"), ("none",), "reduction")
    chosen, counted = _slices(at, x)
    if np.unique(chosen).size < chosen.size:
        raise UnsupportedError("a slice that is replaced twice; allowed: once")
    count, rest = prod(x.type.shape[:counted]), x.type.shape[counted:]
    require(updates.type.shape == (*chosen.shape, *rest), f"updates {updates.type}")
    order = np.arange(count)
    order[chosen.reshape(-1)] = count + np.arange(chosen.size)
    parts = at.reshape(x, (count, *rest)), at.reshape(updates, (chosen.size, *rest))
    y = at.aten("index_select", at.build("concat", *parts, axis=0), 0, at.known_index(order))
    return at.reshape(y, x.type.shape)
