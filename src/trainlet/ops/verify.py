"""The invariants of a graph, checked between stages apart from the passes that keep them."""

from __future__ import annotations

import numpy as np

from trainlet.errors import GraphError, ShapeError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS


def verify(graph: Graph) -> Graph:
    """The graph itself; raises GraphError at the first broken invariant.

    Every op is known, every type is what the op infers, every leaf with a value has one that
    fits, leaf names are unique, and a leaf is updated at most once.
    """
    seen: dict[str, Node] = {}
    updated: dict[Node, Node] = {}
    for n in graph.nodes():
        if n.is_leaf:
            if seen.setdefault(n.name, n) is not n:
                raise GraphError(f"two leaves are called {n.name!r}")
            _check_value(graph, n)
            continue
        if n.op not in OPS:
            raise GraphError(f"{n!r} is an unknown operation")
        _check_type(n)
        position = OPS[n.op].mutates
        if position is not None:
            target = n.inputs[position]
            if not target.is_leaf:
                raise GraphError(f"{n!r} updates {target!r}, which is not a leaf")
            if updated.setdefault(target, n) is not n:
                raise GraphError(f"{target!r} is updated twice, by {updated[target]!r} and {n!r}")
    return graph


def _check_type(n: Node) -> None:
    try:
        inferred = OPS[n.op].infer(*(i.type for i in n.inputs), **n.attrs)
    except (ShapeError, TypeError) as error:
        raise GraphError(f"{n!r}: {error}") from None
    if inferred != n.type:
        raise GraphError(f"{n!r} has type {n.type}, its inputs give {inferred}")


def _check_value(graph: Graph, leaf: Node) -> None:
    if leaf.op == "input":
        return
    if leaf.name not in graph.values:
        raise GraphError(f"{leaf!r} has no value")
    try:
        value = to_device(leaf, graph.values[leaf.name])
    except ValueError:
        found = np.shape(graph.values[leaf.name])
        raise GraphError(f"the value of {leaf!r} has shape {found}") from None
    if leaf.type.dtype == "float32" and not np.isfinite(value).all():
        raise GraphError(f"the value of {leaf!r} holds NaN or infinity")
