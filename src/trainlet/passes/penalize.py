"""Penalties on parameters, added to the loss and to the gradients of what learns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.errors import SchemeError, UnsupportedError
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph, Node, unused
from trainlet.ir.roles import LOSS
from trainlet.ir.storage import storage
from trainlet.ops.op import build, leaf
from trainlet.ops.penalty import Penalty, Proximal
from trainlet.passes.update import PREFIX

ANCHORS = "anchors"
"""The attribute of a state that begins as a parameter: the parameter's name."""


def penalize(graph: Graph, penalties: Sequence[Penalty]) -> Graph:
    """The graph with the penalties on what learns, a gradient `grad.<name>` each.

    Raises SchemeError for a parameter that the graph does not have, UnsupportedError for one that
    is trained as integers.
    """
    outputs, values = dict(graph.outputs), dict(graph.values)
    params = [p for p in graph.leaves("param") if f"{PREFIX}{p.name}" in outputs]
    anchors: dict[Node, Node] = {}
    for penalty in penalties:
        _check_names(penalty, graph)
        for p in params:
            if not _covers(penalty, p):
                continue
            _check_float(penalty, p)
            if isinstance(penalty, Proximal):
                if p not in anchors:
                    anchors[p] = _anchor(p, values)
                operands = [p, anchors[p]]
            else:
                operands = [p, *_offset(p, values)]
            value = build("penalty", *operands, factor=penalty.weight)
            outputs[LOSS] = build("add", outputs[LOSS], value)
            key = f"{PREFIX}{p.name}"
            outputs[key] = build("penalty_dw", outputs[key], *operands, factor=penalty.weight)
    return Graph(outputs, values)


def _names(p: Node) -> set[str]:
    return {p.name, *p.attrs.get("aliases", ())}


def _covers(penalty: Penalty, p: Node) -> bool:
    return penalty.parameters is None or not _names(p).isdisjoint(penalty.parameters)


def _check_names(penalty: Penalty, graph: Graph) -> None:
    known = {name for p in graph.leaves("param", "const") for name in _names(p)}
    for name in penalty.parameters or ():
        if name not in known:
            raise SchemeError(f"{type(penalty).__name__} names an unknown parameter, {name!r}"
                              f"{closest(name, known)}")  # fmt: skip


def _check_float(penalty: Penalty, p: Node) -> None:
    if p.type.dtype != "float32" or storage(p).factor is not None:
        raise UnsupportedError(
            f"{type(penalty).__name__} on {p.name!r}, which is trained as {p.type.dtype}; allowed: "
            "parameters in float32. Name these with parameters=(...), such as those of the head, "
            "or leave the penalty out"
        )


def _anchor(p: Node, values: dict[str, np.ndarray]) -> Node:
    """A state that begins as the parameter."""
    name = unused(f"{p.name}.anchor", values)
    values[name] = values[p.name]
    return leaf("state", name, p.type, storage=storage(p), **{ANCHORS: p.name})


def _offset(p: Node, values: dict[str, np.ndarray]) -> list[Node]:
    """What a folded batch norm has added to the user's parameter, where it has."""
    how = storage(p)
    if how.offset is None:
        return []
    name = unused(f"{p.name}.offset", values)
    values[name] = np.zeros(how.shape, np.float32)
    return [leaf("const", name, p.type, storage=how)]
