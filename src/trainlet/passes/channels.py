"""Which input channels of each weight learn: from shares and rules to positions along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainlet.errors import SchemeError, shown
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.scheme import NORM, UpdateScheme
from trainlet.ir.storage import Order, Storage, storage, to_device, to_user
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import OPS, kept, leaf


@dataclass(frozen=True)
class Selected:
    """Of a weight whose input channels lie along `axis`, those that learn.

    count:     all channels; of a grouped convolution, groups
    share:     of the channels
    positions: in ascending order; None for the leading ones
    """

    axis: int
    count: int
    share: float
    positions: tuple[int, ...] | None = None

    def order(self, size: int) -> Order:
        """The order of the axis, of this size, in which the channels that learn come first."""
        assert self.positions is not None
        learns = np.zeros(self.count, bool)
        learns[list(self.positions)] = True
        numbers = np.arange(size).reshape(self.count, -1)
        first_learns = np.concatenate([numbers[learns], numbers[~learns]])
        return Order(self.axis, tuple(first_learns.reshape(-1).tolist()))


def select_channels(graph: Graph, scheme: UpdateScheme) -> dict[str, Selected]:
    """What learns of each weight that learns in part, in the order in which the graph has its
    channels.  Raises SchemeError for an index that is no channel of a weight."""
    readers = users(graph.nodes())
    found = {
        p.name: _selected(p, graph.values[p.name], scheme, readers[p])
        for p in graph.leaves("param")
        if p.name in scheme and scheme.entry(p.name) != 1
    }
    given = {name for name in found if isinstance(scheme.rule(name), tuple)}
    return {name: s for name, s in found.items() if name not in given or s.share < 1}


def _selected(
    p: Node, value: np.ndarray, scheme: UpdateScheme, readers: Sequence[Node]
) -> Selected:
    axis, count = input_channels(p, readers)
    rule = scheme.rule(p.name)
    if not isinstance(rule, tuple):
        many = kept(count, scheme.ratios[p.name])
        rule = largest(channel_norms(p, value, axis, count), many) if rule == NORM else range(many)
    elif rule[-1] >= count:
        raise SchemeError(
            f"parameter {p.name!r} has channels {shown(rule)}, and has {count} input channels or "
            f"groups; allowed: indices in 0..{count - 1}"
        )
    numbers = np.arange(p.type.shape[axis]) // (p.type.shape[axis] // count)
    for order in storage(p).orders or ():
        numbers = numbers[list(order.index)] if order.axis == axis else numbers
    learns = np.isin(numbers, rule).reshape(count, -1)[:, 0]
    positions = tuple(np.flatnonzero(learns).tolist())
    leading = positions == tuple(range(len(positions)))
    return Selected(axis, count, len(positions) / count, None if leading else positions)


def input_channels(p: Node, readers: Sequence[Node]) -> tuple[int, int]:
    """The axis of a weight along which its input channels lie, and how many there are; of a grouped
    convolution the axis and number of its groups."""
    for layer in readers:
        outputs = OPS[layer.op].channel_axis
        if outputs is None or layer.inputs[1] is not p:
            continue
        groups = layer.attrs.get("groups") or 1
        if outputs == p.type.rank - 1:
            return outputs, p.type.shape[outputs]
        if groups > 1:
            return outputs, groups
    return p.type.rank - 1, p.type.shape[-1]


def reordered(p: Node, order: Order) -> Node:
    """The leaf with its slices along an axis, and their scales, in another order."""
    how, quant = storage(p), p.type.quant
    if quant is not None and quant.axis == order.axis:
        scales = tuple(quant.scale[k] for k in order.index)
        quant = Quant(scales, tuple(quant.zero_point[k] for k in order.index), quant.axis)
    others = tuple(o for o in how.orders or () if o.axis != order.axis)
    for before in how.orders or ():
        if before.axis == order.axis:
            order = Order(order.axis, tuple(before.index[k] for k in order.index))
    stored = replace(how, orders=(*others, order))
    return leaf(p.op, p.name, replace(p.type, quant=quant), **{**p.attrs, "storage": stored})


def channel_norms(p: Node, value: np.ndarray, axis: int, count: int) -> np.ndarray:
    """The L2 norm of the weights of each input channel or group, in the user's order and in real
    numbers.  value: of the weight, as the graph has it"""
    weight = real_weight(p, value).astype(np.float64)
    channels = np.moveaxis(weight, axis, 0).reshape(count, -1)
    return np.sqrt((channels**2).sum(1))


def squared_norm(p: Node, value: np.ndarray) -> float:
    """Of a weight in real numbers; value: as the graph has it."""
    return float((real_weight(p, value).astype(np.float64) ** 2).sum())


def real_weight(p: Node, value: np.ndarray) -> np.ndarray:
    """The user's real numbers in the layout of the leaf, its channels in the user's order."""
    how, real = storage(p), to_user(p, to_device(p, value))
    plain = Storage(how.shape, how.permutation)
    return to_device(leaf("param", p.name, TensorType(p.type.shape), storage=plain), real)


def largest(scores: np.ndarray, many: int) -> tuple[int, ...]:
    """The positions of the largest scores; of equal ones the first."""
    return tuple(sorted(np.argsort(-scores, kind="stable")[:many].tolist()))
