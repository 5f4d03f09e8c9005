"""The memory of a scheme by the rule of Lin et al., 2022, which adds up over the layers."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS, kept
from trainlet.ops.shape import source_of
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Layers

BIAS = 32


def paper_memory(graph: Graph, layers: Layers) -> Additive:
    """Bits of a scheme of a forward graph.

    Of each layer whose biases learn one bit for an element of its output and 32 for a bias; of a
    weight the trained channels of its input and the trained elements; the input of the classifier.
    """
    users = _layer_nodes(graph)
    sizes = {n.name: n.type.size for n in graph.leaves("param")}
    biases, weights = {0: 0.0}, dict[tuple[int, float], float]()
    total = 0.0
    for number in reversed(range(len(layers.body))):
        layer = layers.body[number]
        node = users.get(layer.weight)
        total += BIAS * sum(sizes[name] for name in layer.biases)
        total += node.type.size if node and layer.biases else 0
        biases[layers.reaching(number)] = total
        if node:
            weights |= {(number, share): _weight(node, share) for share in layer.shares}
    head = next((users[name] for name in layers.head if name in users), None)
    base = 8 * head.inputs[0].type.shape[-1] if head else 0
    return Additive(biases, weights, base)


def _weight(node: Node, share: float) -> float:
    x, w = node.inputs[0].type, source_of(node.inputs[1]).type
    channels = x.shape[-1]
    part = kept(channels, share) / channels
    return round(8 * part * (x.nbytes + w.nbytes))


def _layer_nodes(graph: Graph) -> dict[str, Node]:
    """The layer that reads each weight first."""
    found: dict[str, Node] = {}
    for n in graph.nodes():
        if not n.is_leaf and OPS[n.op].channel_axis is not None:
            weight = source_of(n.inputs[1])
            if weight.op == "param":
                found.setdefault(weight.name, n)
    return found
