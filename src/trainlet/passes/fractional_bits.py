"""Adds fractional bits to trained int8 weights. They are stored behind the int8 values, which are
what layers read."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.storage import Planes, storage
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf


def add_fractional_bits(graph: Graph, bits: int) -> Graph:
    """Give each trained int8 weight `bits` (0, 4 or 8) fractional bits, for those elements alone
    that its gradient updates."""
    if not bits:
        return graph
    gradients = {k.removeprefix("grad."): n for k, n in graph.outputs.items()}

    def rule(n: Node) -> Node | None:
        gradient = gradients.get(n.name)
        if n.op != "param" or n.type.dtype != "int8" or gradient is None:
            return None
        shape = gradient.type.shape
        planes = Planes(n.type, bits, prod(shape[:-1]), shape[-1])
        kind = TensorType((n.type.size + planes.low_bytes,), "int8")
        how = replace(storage(n), planes=planes)
        wide = leaf("param", n.name, kind, **{**n.attrs, "storage": how})
        return build("plane", wide, tensor=n.type, label=n.name)

    return rewrite(graph, rule)
