"""The graph: immutable nodes, one tensor each."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainlet.ir.types import TensorType

LEAVES = ("input", "const", "param", "state", "seed")
"""Kinds of node without inputs: fed by the user, in Flash, trained in RAM, optimiser's in RAM, and
the gradient of a loss with respect to itself, which is 1: the backward pass begins there."""


@dataclass(frozen=True, eq=False)
class Node:
    """One operation and the one tensor it makes.  Equality is identity: nodes are dict keys."""

    op: str
    inputs: tuple[Node, ...]
    type: TensorType
    attrs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def is_leaf(self) -> bool:
        return self.op in LEAVES

    def with_inputs(self, inputs: Iterable[Node]) -> Node:
        """The same operation on other inputs of the same types; the node itself if they are its."""
        inputs = tuple(inputs)
        if inputs == self.inputs:
            return self
        return Node(self.op, inputs, self.type, self.attrs, self.name)

    def __repr__(self) -> str:
        return f"<{self.op}{' ' + self.name if self.name else ''}: {self.type}>"


NodeOrder = tuple[Node, ...]
"""An order in which nodes run."""


@dataclass(frozen=True)
class Graph:
    """Named outputs, and the values of the leaves `const`, `param` and `state` by name.

    Values stand in the layout of the user's model; a leaf's `storage` attribute (see
    `trainlet.ir.storage`) says how the leaf's own tensor is made of them.
    """

    outputs: Mapping[str, Node]
    values: Mapping[str, np.ndarray] = field(default_factory=dict)

    def nodes(self) -> list[Node]:
        """Every node reachable from the outputs, inputs first.  Dead code does not exist."""
        return topological(self.outputs.values())

    def leaves(self, *kinds: str) -> list[Node]:
        """The reachable leaves of the given kinds (all kinds by default), in topological order.

        Inputs alone come in the order of the model's own arguments, what is added to them last.
        """
        found = [n for n in self.nodes() if n.op in (kinds or LEAVES)]
        if kinds == ("input",):
            last = len(found)
            return sorted(found, key=lambda n: n.attrs.get("position", last))
        return found


def unused(name: str, taken: Container[str]) -> str:
    """The name, with underscores behind it where that is taken."""
    while name in taken:
        name += "_"
    return name


def topological(roots: Iterable[Node]) -> list[Node]:
    """Nodes reachable from `roots`, inputs before users; iterative, so depth is no limit."""
    order: dict[Node, None] = {}
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, inputs_done = stack.pop()
            if node in order:
                continue
            if inputs_done:
                order[node] = None
                continue
            stack.append((node, True))
            stack.extend((i, False) for i in reversed(node.inputs) if i not in order)
    return list(order)


def users(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    """For each node, the nodes that read it (once per reader)."""
    table: dict[Node, list[Node]] = {n: [] for n in nodes}
    for n in table:
        for i in dict.fromkeys(n.inputs):
            table[i].append(n)
    return table


def rewrite(graph: Graph, rule: Callable[[Node], Node | None]) -> Graph:
    """Rebuild inputs first; `rule(node)` returns a replacement, or None to keep the node.

    The node handed to `rule` already has its new inputs.
    """
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        rebuilt = n.with_inputs(new[i] for i in n.inputs)
        new[n] = rule(rebuilt) or rebuilt
    return Graph({k: new[n] for k, n in graph.outputs.items()}, graph.values)
