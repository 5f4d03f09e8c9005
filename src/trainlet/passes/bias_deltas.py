"""Keeps of each trained int32 bias the int16 difference to its pretrained value, which is in Flash:
half the RAM."""

from __future__ import annotations

from dataclasses import replace

from trainlet.ir.graph import Graph, Node, rewrite, unused
from trainlet.ir.storage import Delta, storage, to_device
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf
from trainlet.passes.update import PREFIX

BASE = ".pretrained"
"""The suffix of the name of the values in Flash."""


def keep_bias_deltas(graph: Graph) -> Graph:
    """The leaf of a trained int32 bias becomes int16 and starts at zero. `add_delta` makes the bias
    where a layer reads it."""
    values = dict(graph.values)

    def rule(n: Node) -> Node | None:
        learns = f"{PREFIX}{n.name}" in graph.outputs
        if n.op != "param" or n.type.dtype != "int32" or not learns or n.type.quant is None:
            return None
        pretrained = to_device(n, values[n.name])
        name = unused(f"{n.name}{BASE}", values)
        values[name] = pretrained
        how = replace(storage(n), delta=Delta(n.type, tuple(pretrained.reshape(-1).tolist())))
        moved = leaf("param", n.name, TensorType(n.type.shape, "int16"),
                     **{**n.attrs, "storage": how})  # fmt: skip
        return build("add_delta", leaf("const", name, n.type), moved, label=n.name)

    found = rewrite(graph, rule)
    return Graph(found.outputs, values)
