"""An input that is only read by `quantize` becomes an int8 input, which takes a quarter of the
bytes."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ir.storage import storage
from trainlet.ops.op import leaf
from trainlet.ops.quantized.cast import QUANTIZE


def integer_inputs(graph: Graph) -> Graph:
    """Replace each input whose only reader is a `quantize` with the int8 result; the caller
    quantises."""
    readers = users(graph.nodes())
    read_by = {n: [r.op for r in readers[n]] for n in readers if n.op == "input"}
    alone = {n for n, ops in read_by.items() if ops == [QUANTIZE.name]}

    def rule(n: Node) -> Node | None:
        if n.op != QUANTIZE.name or n.inputs[0] not in alone:
            return None
        source = n.inputs[0]
        return leaf("input", source.name, n.type, **{**source.attrs, "storage": storage(source)})

    return rewrite(graph, rule)
