"""An update scheme in the names of a graph's own parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from trainlet.errors import SchemeError, shown
from trainlet.ir.graph import Graph, Node
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage
from trainlet.passes.presets import choose, graph_parameters, learning


def resolve(
    scheme: UpdateScheme, graph: Graph, known: Collection[str] | None = None
) -> UpdateScheme:
    """The scheme in the names of the graph's own parameters.

    A parameter that several layers share has one name there, and any of its names in the scheme.
    A preset means what its name means of the graph, if a part of it has no gradient there.
    known: all parameters of the model, where it is at hand.

    Raises SchemeError for names that are unknown, that learn nothing, or that contradict each
    other, and for a vector that shall learn in part.
    """
    params = {n.name: n for n in graph.leaves("param")}
    own = {alias: name for name, n in params.items() for alias in n.attrs.get("aliases", ())}
    reached = {n.name for n in learning(graph)}
    entries: dict[str, Any] = {}
    for given in scheme:
        entry = scheme.entry(given)
        name = own.get(given, given)
        if name not in reached:
            if scheme.preset and (known is None or given in known):
                return choose(scheme.preset, graph_parameters(graph))
            raise SchemeError(_why_not(given, graph, params, known))
        if entries.setdefault(name, entry) != entry:
            raise SchemeError(
                f"{given!r} and {name!r} are one parameter, and the scheme gives it the ratios "
                f"{shown(entry)} and {shown(entries[name])}; name it once"
            )
        shape = storage(params[name]).shape
        if entry != 1 and len(shape) < 2:
            raise SchemeError(
                f"parameter {given!r} of shape {shape} has ratio {shown(entry)}, a share of input "
                "channels, and has no input channels to learn in part; allowed for it: 0 or 1.0"
            )
    return UpdateScheme(entries, scheme.preset)


def _why_not(
    name: str, graph: Graph, params: Mapping[str, Node], known: Collection[str] | None
) -> str:
    if name in params:
        return (
            f"parameter {name!r} has no gradient: every way from it to the output passes detach() "
            "or torch.no_grad(); leave it out of the scheme, or leave these out of the model"
        )
    if name in {n.name for n in graph.leaves("const")}:
        return (
            f"{name!r} does not learn in the model: it is a buffer, or has requires_grad=False; "
            "leave it out of the scheme, or call requires_grad_(True) on it"
        )
    if known is not None and name in known:
        return f"the output does not depend on parameter {name!r}; leave it out of the scheme"
    close = get_close_matches(name, params, 3, 0.3) or list(params)[:5]
    return (
        f"the scheme names an unknown parameter, {name!r}; closest of the model's {len(params)}: "
        f"{', '.join(close)}"
    )
