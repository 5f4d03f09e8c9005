"""The roles of the outputs and inputs of a training step, which their names tell.

A network with one output calls it `logits`; of several, each is `output.` and its name, unless
that is `logits` itself.  A loss reads the input `target`, or `target.` and the name that the loss
gives its target.
"""

from __future__ import annotations

from collections.abc import Mapping

from trainlet.ir.graph import Graph, Node

LOGITS, LOSS, TARGET, RATE = "logits", "loss", "target", "lr"
PROTOTYPES_OF = "prototypes_of"
"""The attribute of a parameter that holds sums of features of each class: the output that gives
the features."""
TABLE_OF = "table_of"
"""The attribute of a state that holds ascending numbers of channels: of how many."""
FEATURES = "features"
"""The output of a frozen front that is a graph of its own, and the input of the rest."""
_OUTPUT, _TARGET = "output.", f"{TARGET}."


def predictions(graph: Graph) -> dict[str, Node]:
    """What the network returns, by the names that the user knows: `logits` where it is one."""
    found = {k: n for k, n in graph.outputs.items() if k == LOGITS or k.startswith(_OUTPUT)}
    return {k.removeprefix(_OUTPUT): n for k, n in found.items()}


def as_outputs(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The outputs of a graph that returns these, named as `predictions` reads them."""
    return {name if name == LOGITS else f"{_OUTPUT}{name}": n for name, n in nodes.items()}


def forward_part(graph: Graph) -> Graph:
    """The part of a training step that predicts; all of a frozen front that is a graph of its
    own."""
    if FEATURES in graph.outputs:
        return graph
    return Graph(as_outputs(predictions(graph)), graph.values)


def target_leaf_name(name: str) -> str:
    """What the leaf of a loss's target is called."""
    return name if name == TARGET else f"{_TARGET}{name}"


def target_name(leaf: Node) -> str:
    """The name of a target as the user knows it."""
    return leaf.name.removeprefix(_TARGET)


def is_target(leaf: Node) -> bool:
    """Whether a leaf is the target of a loss."""
    return leaf.op == "input" and (leaf.name == TARGET or leaf.name.startswith(_TARGET))


def is_feature(leaf: Node) -> bool:
    """Whether a leaf is what the frozen front of a network made."""
    return leaf.op == "input" and leaf.name == FEATURES


def reserved_for(input_name: str) -> str:
    """What the input of that name is in every trainer; empty for a name that is free."""
    if input_name == TARGET or input_name.startswith(_TARGET):
        return "the target of a step"
    return "its learning rate" if input_name == RATE else ""
