"""An input that is quantised first of all is handed over as int8: a quarter of the bytes."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ir.storage import storage
from trainlet.ops.op import leaf


def integer_inputs(graph: Graph) -> Graph:
    """Inputs read by one `quantize` only become its int8 result; the caller quantises."""
    readers = users(graph.nodes())
    alone = {n for n in readers if n.op == "input" and [r.op for r in readers[n]] == ["quantize"]}

    def rule(n: Node) -> Node | None:
        if n.op != "quantize" or n.inputs[0] not in alone:
            return None
        source = n.inputs[0]
        return leaf("input", source.name, n.type, **{**source.attrs, "storage": storage(source)})

    return rewrite(graph, rule)
