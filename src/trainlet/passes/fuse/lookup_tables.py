"""Replaces element-wise functions from int8 to int8 by one lookup table of 256 bytes."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Graph, Node, topological, unused
from trainlet.ops.op import OPS, build, leaf, typed
from trainlet.ops.quantized.lookup import ENTRIES, all_bytes
from trainlet.ops.quantized.types import affine


def fuse_lookup_tables(graph: Graph) -> Graph:
    """Look up every int8 map of at least 256 elements that float32 functions compute from one int8
    map.

    A float32 map in between stays if the backward pass reads it.
    """
    values, new = dict(graph.values), dict[Node, Node]()
    origin: dict[Node, Node | None] = {}
    for n in graph.nodes():
        origin[n] = _origin(n, origin)
        x = origin[n] if n.type.dtype == "int8" and n.type.size >= ENTRIES else None
        if x is None:
            new[n] = n.with_inputs(new[i] for i in n.inputs)
            continue
        name = unused(f"{n.name}.table", values)
        values[name] = _tabulated(n, x)
        table, (scale, zero_point) = leaf("const", name, typed("int8", ENTRIES)), affine(n)
        new[n] = build("lookup_i8", new[x], table, scale=scale, zero_point=zero_point, label=n.name)
    return Graph({name: new[n] for name, n in graph.outputs.items()}, values)


def _origin(n: Node, origin: dict[Node, Node | None]) -> Node | None:
    """The int8 map from which n is computed element by element; None if there is no such map."""
    if n.is_leaf or OPS[n.op].element is None:
        return None
    same = all(i.type.shape == n.type.shape for i in n.inputs)
    found = {i if i.type.dtype == "int8" else origin[i] for i in n.inputs}
    return found.pop() if same and len(found) == 1 else None


def _tabulated(n: Node, x: Node) -> np.ndarray:
    """The value of n for each of the 256 values that an element of x can have."""
    known = {x: all_bytes()}
    for m in topological([n]):
        if m not in known and all(i in known for i in m.inputs) and not m.is_leaf:
            known[m] = OPS[m.op].eval(*(known[i] for i in m.inputs), **m.attrs)
    return known[n]
