"""Keeps the gradients of the parameters that a scheme names, narrowed to its ratios. All else
becomes unreachable and is dropped."""

from __future__ import annotations

from trainlet.errors import SchemeError, ShapeError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.elementwise import ADD
from trainlet.ops.op import OPS, build


def prune(graph: Graph, scheme: UpdateScheme) -> Graph:
    """Outputs `grad.<name>` of frozen parameters go; others shrink to their channels.

    Raises SchemeError for a parameter without a gradient, or one that cannot learn in part.
    """
    outputs = {k: n for k, n in graph.outputs.items() if not k.startswith("grad.")}
    for name, ratio in scheme.ratios.items():
        gradient = graph.outputs.get(f"grad.{name}")
        if gradient is None:
            raise SchemeError(f"no gradient reaches parameter {name!r}; leave it out of the scheme")
        outputs[f"grad.{name}"] = gradient if ratio == 1 else _narrow(name, gradient, ratio)
    return Graph(outputs, graph.values)


def _narrow(name: str, gradient: Node, ratio: float) -> Node:
    """A sum of gradients (a parameter that is read twice) is narrowed term by term."""
    if gradient.op == ADD.name:
        terms = [_narrow(name, i, ratio) for i in gradient.inputs]
        return build(ADD.name, *terms, label=gradient.name)
    rule = OPS[gradient.op].narrow
    try:
        if rule is not None:
            return rule(gradient, ratio)
    except ShapeError:
        pass
    raise SchemeError(
        f"parameter {name!r} has ratio {ratio:g}, but only weights of convolutions and linear "
        "layers learn in part; allowed for it: 0 or 1"
    )
