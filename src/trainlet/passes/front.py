"""Where the frozen front of a network ends, and a training step in two parts.

The front depends on the network's inputs alone, so what it makes of an example need be computed
once, for all epochs.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import FEATURES, RATE, is_feature, is_target, predictions
from trainlet.ops.op import OPS, build, leaf
from trainlet.ops.pack import PACK, packed


def boundary(graph: Graph) -> list[Node]:
    """The nodes of a training step that depend on the network's inputs alone, and are read by a
    node that also depends on what training changes, on a target or on the rate; outputs of the
    network included."""
    moving, fed = set[Node](), set[Node]()
    nodes = graph.nodes()
    for n in nodes:
        given = n.op == "input" and not is_target(n) and n.name != RATE
        if (n.op in ("param", "state", "input") and not given) or any(
            i in moving for i in n.inputs
        ):
            moving.add(n)
        elif given or any(i in fed for i in n.inputs):
            fed.add(n)
    read = {i for n in moving for i in n.inputs if i in fed}
    read |= {n for n in predictions(graph).values() if n in fed}
    return [n for n in nodes if n in read]


def split_front(step: Graph) -> tuple[Graph, Graph]:
    """The front, whose output is the features, and the step that has them as its input.

    Raises SchemeError where nothing is computed before the first layer that learns.
    """
    cut = _narrowest(step, boundary(step))
    if all(n.is_leaf for n in cut):
        raise SchemeError(
            "split_features: the first layer of the network learns, so no layer before it is "
            "frozen; leave split_features out, or train later layers only"
        )
    made, read = _handed_over(cut)
    new: dict[Node, Node] = {}
    for n in step.nodes():
        new[n] = read.get(n) or n.with_inputs(new[i] for i in n.inputs)
    rest = Graph({k: new[n] for k, n in step.outputs.items()}, step.values)
    return Graph({FEATURES: made}, step.values), rest


def _handed_over(cut: list[Node]) -> tuple[Node, dict[Node, Node]]:
    """The result of the front, and for each node of the boundary what the rest reads instead: the
    features themselves, or a part of their bytes where there are several."""
    if len(cut) == 1:
        return cut[0], {cut[0]: leaf("input", FEATURES, cut[0].type)}
    made, start = packed(cut)
    features = leaf("input", FEATURES, made.type)
    return made, {
        n: build("view", features, start=start[n], shape=n.type.shape, kind=n.type) for n in cut
    }


def handed_over(front: Graph, step: Graph) -> list[tuple[Node, Node]]:
    """Each node of the boundary in the front, and in the step that has the features as its input:
    what `split_front` made, or what later passes made of that."""
    made, (features,) = front.outputs[FEATURES], filter(is_feature, step.leaves("input"))
    if made.op != PACK.name:
        return [(made, features)]
    parts = [n for n in step.nodes() if features in n.inputs]
    parts.sort(key=lambda n: n.attrs["start"])
    return list(zip(made.inputs, parts, strict=True))


def _narrowest(step: Graph, cut: list[Node]) -> list[Node]:
    """The boundary, moved towards the inputs where what is made on the way needs no products and
    is no smaller than what it is made of: an int8 map instead of its float32 values."""
    place = {n: k for k, n in enumerate(step.nodes())}
    outputs = set(step.outputs.values())
    found = set(cut)
    while True:
        for n in sorted(found, key=lambda n: -place[n]):
            made_of = {i for i in n.inputs if i.op not in ("const", "seed")}
            cheap = not n.is_leaf and not OPS[n.op].macs(n) and n not in outputs
            if cheap and _bytes(made_of - found) <= n.type.nbytes:
                found = found - {n} | made_of
                break
        else:
            return sorted(found, key=place.__getitem__)


def _bytes(nodes: Iterable[Node]) -> int:
    return sum(n.type.nbytes for n in nodes)
