"""Permutes the channels of maps so that those that learn come first in the weights that read them.

A weight's output channels are permuted, the weights, biases and constants of all that reads the map
follow, and nothing is computed that was not computed before.  Where the channels of a map cannot be
permuted (they are the model's input or output, or an operator mixes them) the ones that learn are
gathered instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import Order
from trainlet.ops.op import OPS
from trainlet.ops.ties import elementwise
from trainlet.passes.channels import Selected, reordered, select_channels

Slot = tuple[Node, int]
"""A tensor, and one of its axes."""


def lead_channels(graph: Graph, scheme: UpdateScheme) -> Graph:
    """The graph with its leaves stored such that, where that is possible, the channels that learn
    of a weight are its first ones.  Values, names and shapes stay the user's."""
    selected = select_channels(graph, scheme)
    if all(s.positions is None for s in selected.values()):
        return graph
    groups = _Groups(graph)
    orders: dict[Slot, Order] = {}
    for slot, chosen in _chosen(graph, groups, selected).items():
        if chosen.positions is not None:
            orders[slot] = chosen.order(slot[0].type.shape[slot[1]])

    def rule(n: Node) -> Node | None:
        if n.op not in ("param", "const"):
            return None
        new = n
        for axis in range(n.type.rank):
            if order := orders.get(groups.of((n, axis))):
                new = reordered(new, Order(axis, order.index))
        return new

    return rewrite(graph, rule)


def _chosen(graph: Graph, groups: _Groups, selected: dict[str, Selected]) -> dict[Slot, Selected]:
    """What leads in each group of axes that can be permuted: the choice of the weight of which most
    bytes are kept."""
    reads = {n.inputs[1]: n.inputs[0].type.size for n in graph.nodes() if _is_layer(n)}
    found: dict[Slot, tuple[float, Selected]] = {}
    for p in graph.leaves("param"):
        own = selected.get(p.name)
        if own is None or own.count != p.type.shape[own.axis]:
            continue
        group, kept = groups.of((p, own.axis)), own.share * reads.get(p, 0)
        if group not in groups.fixed and (group not in found or kept > found[group][0]):
            found[group] = kept, own
    return {group: own for group, (_, own) in found.items()}


class _Groups:
    """The axes of the tensors of a graph whose slices have to lie in the same order.

    fixed: groups that cannot be permuted, by the slot that stands for them
    """

    def __init__(self, graph: Graph) -> None:
        self._above: dict[Slot, Slot] = {}
        fixed: list[Slot] = []
        for n in graph.nodes():
            ties = list(tied(n))
            for first, *others in ties:
                for other in others:
                    self._above[self.of(other)] = self.of(first)
            known = {slot for slots in ties for slot in slots}
            if n.op not in ("param", "const"):
                fixed += [slot for slot in _slots((n, *n.inputs)) if slot not in known]
        fixed += _slots(graph.outputs.values())
        self.fixed = {self.of(slot) for slot in fixed}

    def of(self, slot: Slot) -> Slot:
        """The slot that stands for the group of this one."""
        root = slot
        while (above := self._above.get(root, root)) != root:
            root = above
        while slot != root:
            self._above[slot], slot = root, self._above[slot]
        return root


def _slots(nodes: Iterable[Node]) -> Iterator[Slot]:
    return ((n, axis) for n in nodes for axis in range(n.type.rank))


def _is_layer(n: Node) -> bool:
    return not n.is_leaf and OPS[n.op].channel_axis is not None


def tied(n: Node) -> Iterator[list[Slot]]:
    """Groups of slots that an operation permutes together; it does not permute any others."""
    if n.is_leaf:
        return
    op, tensors = OPS[n.op], (*n.inputs, n)
    if op.ties is None and _is_layer(n):
        yield from _layer(n)
        return
    elementwise_op = op.layout is not None and op.layout.broadcasts
    ties = op.ties(n) if op.ties else elementwise(n) if elementwise_op else ()
    for tie in ties:
        yield [(tensors[position], axis) for position, axis in tie]


def _layer(n: Node) -> Iterator[list[Slot]]:
    (x, w, *others), outputs = n.inputs, OPS[n.op].channel_axis
    assert outputs is not None
    own = [(i, i.type.rank - 1) for i in (n, *others)]
    if outputs == w.type.rank - 1:
        yield [(x, x.type.rank - 1), (w, outputs), *own]
    elif (n.attrs.get("groups") or 1) == 1:
        yield [(x, x.type.rank - 1), (w, w.type.rank - 1)]
        yield [(w, outputs), *own]
