"""The oracle: a graph evaluated node by node, without a plan, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS


def evaluate_graph(graph: Graph, leaves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by name; `leaves` are all leaves' values as the device keeps them,
    but for seeds, whose value is the graph's.

    Every node computes a new array: a value, once made, is never overwritten.
    """
    known: dict[Node, np.ndarray] = {}
    for n in graph.nodes():
        if n.is_leaf:
            known[n] = graph.values[n.name] if n.op == "seed" else leaves[n.name]
        else:
            result = OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs)
            known[n] = np.array(result, n.type.dtype, order="C")
    return {name: known[n] for name, n in graph.outputs.items()}
