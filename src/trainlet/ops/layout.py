"""How a permutation of an operator's inputs becomes a permutation of its result.

The front ends put permutes around every operator on maps; the pass `channels_last` moves them
through the operators that say here how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainlet.ir.graph import Node

Permutation = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """States that an operator applied to permuted inputs gives the permuted result.

    broadcasts: the inputs align as NumPy's do, and the largest decides in which order the result
                lies; otherwise the first input does
    maps:       number of inputs that must lie in that order; the others are read as they are
    attrs:      (node, permutation) -> the attributes that change where the inputs are stored so
                that the node's own are `permute(stored, permutation)`
    permutes:   node -> the permutation that the operator itself is
    """

    broadcasts: bool = False
    maps: int = 1
    attrs: Callable[[Node, Permutation], Mapping[str, Any]] = lambda node, permutation: {}
    permutes: Callable[[Node], Permutation] | None = None


def inverse(permutation: Permutation) -> Permutation:
    """The permutation that undoes this one."""
    return tuple(int(k) for k in np.argsort(permutation))


def _axis(n: Node, permutation: Permutation) -> Mapping[str, Any]:
    return {"axis": permutation[n.attrs["axis"] % len(permutation)]}


def _axes(n: Node, permutation: Permutation) -> Mapping[str, Any]:
    return {"axes": tuple(sorted(permutation[k] for k in n.attrs["axes"]))}


def _axes_in_order(n: Node, permutation: Permutation) -> Mapping[str, Any]:
    return {"axes": tuple(permutation[k] for k in n.attrs["axes"])}


def _each_axis(name: str) -> Callable[[Node, Permutation], Mapping[str, Any]]:
    """Permutes an attribute that has an entry for each axis."""
    return lambda n, permutation: {name: tuple(n.attrs[name][k] for k in inverse(permutation))}


ELEMENTWISE = Layout(broadcasts=True)
ALONG_AXIS = Layout(attrs=_axis)
ALONG_AXIS_OF_BOTH = Layout(attrs=_axis, maps=2)
ALONG_AXES = Layout(attrs=_axes)
ALONG_AXES_IN_ORDER = Layout(attrs=_axes_in_order)
TO_SHAPE = Layout(attrs=_each_axis("shape"))
PADS_SIDES = Layout(attrs=_each_axis("padding"))
PERMUTES = Layout(permutes=lambda node: node.attrs["permutation"])
