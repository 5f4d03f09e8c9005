"""Parameters that quantisation merged into one: a scheme may name any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import Merged, to_device, to_user
from trainlet.ops.op import leaf


@dataclass(frozen=True)
class Settled:
    """A graph and a scheme that name the same parameters.

    folded: a parameter that the user's scheme names -> the one that learns for it too
    """

    graph: Graph
    scheme: UpdateScheme
    folded: Mapping[str, str]


def settle(graph: Graph, scheme: UpdateScheme) -> Settled:
    """Rename each merged parameter to the one that the scheme names, and store it in that
    parameter's units.

    Raises SchemeError where only a parameter is named that cannot learn without another one.
    """
    renamed: dict[Node, Node] = {}
    folded: dict[str, str] = {}
    entries = {name: scheme.entry(name) for name in scheme}
    values = dict(graph.values)
    for n in graph.leaves("param"):
        named = [m for m in n.attrs.get("merged", ()) if m.name in scheme]
        if not named:
            continue
        own = _own(n, named)
        given = own if own in named else max(named, key=lambda m: scheme[m.name])
        entry = entries[given.name]
        for m in named:
            del entries[m.name]
        entries[own.name] = entry
        folded |= {m.name: own.name for m in named if m is not own}
        renamed[n] = leaf("param", own.name, n.type, storage=own.storage)
        values[own.name] = _in_terms_of(renamed[n], n, values.pop(n.name))
    if not renamed:
        return Settled(graph, scheme, {})
    outputs = rewrite(graph, renamed.get).outputs
    return Settled(Graph(outputs, values), UpdateScheme(entries, scheme.preset), folded)


def _own(n: Node, named: Sequence[Merged]) -> Merged:
    """Which parameter a merged leaf represents if the parameters `named` are to learn."""
    able = [m for m in n.attrs["merged"] if m.storage is not None]
    own = next((m for m in able if m in named), able[0])
    if own not in named and n.type.rank > 1:
        first, into = named[0].name, own.name
        raise SchemeError(
            f"{first!r} was folded into {into!r} when the network was quantised, and learns only "
            f"with it; name {into!r} too, leave {first!r} out, or give `compile` the "
            "torch.nn.Module itself: then the batch norm is not folded"
        )
    return own


def _in_terms_of(new: Node, old: Node, value: np.ndarray) -> np.ndarray:
    """The value of the same leaf under another name; integers are the leaf's own."""
    return value if new.type.quant else to_user(new, to_device(old, value))
