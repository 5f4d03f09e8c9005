"""Splits a weight that learns in part into two leaves: the trained part in RAM, the rest in
Flash."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from trainlet.ir.graph import Graph, Node, unused
from trainlet.ir.roles import forward_part
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import Part, storage
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import leaf, typed
from trainlet.ops.quantized.interleave import put_together
from trainlet.passes.channels import Selected, reordered, select_channels
from trainlet.passes.update import PREFIX

FROZEN = ".frozen"
"""The suffix of the name of the part in Flash."""


class _Halves(NamedTuple):
    """places: of the joined weight's slices in the order in which the halves have them; None where
    it is the same"""

    learns: Node
    frozen: Node
    axis: int
    places: Node | None


def split_weights(graph: Graph, scheme: UpdateScheme) -> Graph:
    """A weight that learns in part is put together from its two leaves where it is read.

    The joined weight lies in the arena only while it is read: once for what predicts, once for the
    backward pass.  The trained leaf keeps the parameter's name, and the shape of its gradient.
    """
    halves: dict[Node, _Halves] = {}
    values, selected = dict(graph.values), select_channels(graph, scheme)
    for p in graph.leaves("param"):
        gradient = graph.outputs.get(f"{PREFIX}{p.name}")
        if gradient is None or gradient.type.shape == p.type.shape:
            continue
        halves[p] = _halves(p, gradient.type.shape, selected[p.name], values)
        values[p.name + FROZEN] = values[p.name]
    if not halves:
        return graph

    @cache
    def joined(p: Node, predicts: bool) -> Node:
        learns, frozen, axis, places = halves[p]
        return put_together(learns, frozen, places, axis, p)

    forward = set(forward_part(graph).nodes())
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        inputs = [joined(i, n in forward) if i in halves else new[i] for i in n.inputs]
        new[n] = n.with_inputs(inputs)
    return Graph({name: new[n] for name, n in graph.outputs.items()}, values)


def _halves(
    p: Node, shape: tuple[int, ...], selected: Selected, values: dict[str, np.ndarray]
) -> _Halves:
    axis = next(k for k, (a, b) in enumerate(zip(shape, p.type.shape, strict=True)) if a != b)
    edge, end = shape[axis], p.type.shape[axis]
    stored, places = p, None
    if selected.positions is not None:
        order = selected.order(end)
        stored = reordered(p, order)
        places = leaf("const", unused(f"{p.name}.order", values), typed("int32", end))
        values[places.name] = np.argsort(order.index).astype(np.int32)
    learns, frozen = Part(stored.type, axis, 0, edge), Part(stored.type, axis, edge, end)
    return _Halves(
        part_leaf("param", stored, p.name, learns),
        part_leaf("const", stored, p.name + FROZEN, frozen),
        axis,
        places,
    )


def part_leaf(kind: str, p: Node, name: str, part: Part) -> Node:
    """The leaf of one part of a parameter."""
    shape = list(p.type.shape)
    shape[part.axis] = part.stop - part.start
    quant = p.type.quant
    if quant is not None and quant.axis == part.axis:
        own = slice(part.start, part.stop)
        quant = Quant(quant.scale[own], quant.zero_point[own], quant.axis)
    how = replace(storage(p), part=part)
    type = TensorType(tuple(shape), p.type.dtype, quant)
    return leaf(kind, name, type, **{**p.attrs, "storage": how})
