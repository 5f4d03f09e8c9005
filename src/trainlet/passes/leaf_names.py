"""Checks that inputs and parameters have distinct names."""

from __future__ import annotations

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph
from trainlet.ir.roles import reserved_for


def distinct_names(graph: Graph) -> Graph:
    """The graph itself; raises UnsupportedError for two inputs or parameters of one name."""
    seen: dict[str, str] = {}
    for n in graph.leaves():
        if n.op == "input" and reserved_for(n.name):
            raise UnsupportedError(f"the input {n.name!r} has the name of {_otherwise(n.name)}")
        if n.name in seen:
            what = "input" if "input" in (n.op, seen[n.name]) else n.op
            raise UnsupportedError(
                f"the {what} {n.name!r} has the name of a parameter or buffer{_otherwise(n.name)}"
            )
        seen[n.name] = n.op
    return graph


def _otherwise(name: str) -> str:
    """The advice in the error: rename the argument of the forward method."""
    own = reserved_for(name)
    return (
        f"{own}; rename the argument of the model's forward, for example to '{name}_input', "
        "and export it again"
    )
