"""Keeps the gradients of the parameters that a scheme names, narrowed to the channels that learn.
All else becomes unreachable and is dropped."""

from __future__ import annotations

import numpy as np

from trainlet.errors import SchemeError, ShapeError, shown
from trainlet.ir.graph import Graph, Node, unused
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.elementwise import ADD
from trainlet.ops.op import OPS, Chosen, build, leaf, typed
from trainlet.passes.channels import Selected, select_channels


def prune(graph: Graph, scheme: UpdateScheme) -> Graph:
    """Outputs `grad.<name>` of frozen parameters go; others shrink to their channels.

    Raises SchemeError for a parameter without a gradient, for one that cannot learn in part, and
    for an index that is no channel of a weight.
    """
    outputs = {k: n for k, n in graph.outputs.items() if not k.startswith("grad.")}
    values, selected = dict(graph.values), select_channels(graph, scheme)
    for name in scheme:
        gradient = graph.outputs.get(f"grad.{name}")
        if gradient is None:
            raise SchemeError(f"no gradient reaches parameter {name!r}; leave it out of the scheme")
        outputs[f"grad.{name}"] = gradient
        if name in selected:
            chosen = _chosen(name, selected[name], values)
            outputs[f"grad.{name}"] = narrowed_gradient(
                name, gradient, chosen, f"ratio {shown(scheme.entry(name))}"
            )
    return Graph(outputs, values)


def _chosen(name: str, selected: Selected, values: dict[str, np.ndarray]) -> Chosen:
    if selected.positions is None:
        return selected.share
    index = leaf(
        "const", unused(f"{name}.channels", values), typed("int32", len(selected.positions))
    )
    values[index.name] = np.array(selected.positions, np.int32)
    return index


def narrowed_gradient(name: str, gradient: Node, chosen: Chosen, asked: str) -> Node:
    """The gradient of the chosen input channels of a weight; a sum of gradients (a parameter that
    is read twice) is narrowed term by term.  asked: what the error says of the parameter."""
    if gradient.op == ADD.name:
        terms = [narrowed_gradient(name, i, chosen, asked) for i in gradient.inputs]
        return build(ADD.name, *terms, label=gradient.name)
    rule = OPS[gradient.op].narrow
    try:
        if rule is not None:
            return rule(gradient, chosen)
    except ShapeError:
        pass
    raise SchemeError(
        f"parameter {name!r} has {asked}, but only weights of "
        "convolutions and linear layers learn in part; allowed for it: 0 or 1"
    )
