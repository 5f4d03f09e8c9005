"""What the scheme does not name is constant, and what is constant is computed at compile time."""

from __future__ import annotations

from difflib import get_close_matches

from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS, leaf


def freeze(graph: Graph, scheme: UpdateScheme) -> Graph:
    """Parameters that the scheme leaves out become constants.

    Raises SchemeError for a parameter that the graph does not have.
    """
    known = [n.name for n in graph.leaves("param")]
    unknown = [name for name in scheme if name not in known]
    if unknown:
        close = get_close_matches(unknown[0], known, 3, 0.3) or known[:5]
        raise SchemeError(
            f"the scheme names {len(unknown)} unknown parameter(s), first {unknown[0]!r}; "
            f"closest of the model's {len(known)}: {', '.join(close)}"
        )

    def rule(n: Node) -> Node | None:
        if n.op != "param" or n.name in scheme.ratios:
            return None
        return leaf("const", n.name, n.type, **n.attrs)

    return rewrite(graph, rule)


def fold_constants(graph: Graph) -> Graph:
    """Nodes of constants alone are evaluated now."""
    values = dict(graph.values)

    def rule(n: Node) -> Node | None:
        if n.is_leaf or not all(i.op == "const" for i in n.inputs):
            return None
        arrays = [to_device(i, values[i.name]) for i in n.inputs]
        name = "_".join([n.inputs[0].name, n.op])
        while name in values:
            name += "_"
        values[name] = OPS[n.op].eval(*arrays, **n.attrs)
        return leaf("const", name, n.type)

    outputs = rewrite(graph, rule).outputs
    return Graph(outputs, values)
