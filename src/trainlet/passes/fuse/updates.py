"""Gradients straight into what they train: a gradient and its update become one node, so that the
gradient needs no buffer.  Bit for bit the same."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ops.op import OPS, build
from trainlet.ops.quantized.gradient.direct import applied_at_once, trains_weight
from trainlet.ops.verify import verify


def fuse_updates(graph: Graph) -> Graph:
    """Fuse every plain-SGD update of an int8 weight or an int32 bias whose integer gradient nobody
    else reads. Momentum, Adam, sums over several steps and float32 gradients stay as they are."""
    readers = users(graph.nodes())
    asked = set(graph.outputs.values())

    def fused(n: Node) -> Node:
        one = applied_at_once(n)
        if one is None or len(readers[n.inputs[1]]) > 1 or n.inputs[1] in asked:
            return n
        return one

    return Graph({name: fused(n) for name, n in graph.outputs.items()}, graph.values)


def with_copies(graph: Graph) -> tuple[Graph, ...]:
    """The graph, and where that may be smaller the one that `copy_weights` makes of it."""
    copied = copy_weights(graph)
    return (graph,) if copied is graph else (graph, verify(copied))


def copy_weights(graph: Graph) -> Graph:
    """Input gradients read a copy of a weight that is smaller than the layer's input.

    A weight changes after its last reader, the input gradient.  With a copy it changes before, so
    the layer's input is dead when the input gradient is made.  The plan tells whether that pays.
    The graph itself, if there is no such weight.
    """
    layers = {
        _leaf(n.inputs[0]): n for n in graph.outputs.values() if not n.is_leaf and trains_weight(n)
    }
    copies: dict[str, Node] = {}

    def rule(n: Node) -> Node | None:
        at = None if n.is_leaf else OPS[n.op].weight_copy
        if at is None:
            return None
        w = n.inputs[at]
        update = layers.get(_leaf(w))
        if update is None or w.type.nbytes >= update.inputs[2].type.nbytes:
            return None
        copy = copies.setdefault(_leaf(w), build("copy_i8", w, label=n.name))
        return n.with_inputs((*n.inputs[:at], copy, *n.inputs[at + 1 :]))

    copied = rewrite(graph, rule)
    return copied if copies else graph


def _leaf(n: Node) -> str:
    """The name of the leaf that holds n's value; empty for a tensor in the arena."""
    while not n.is_leaf and OPS[n.op].alias:
        n = n.inputs[0]
    return n.name if n.is_leaf else ""
