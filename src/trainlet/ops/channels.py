"""Some of the channels of a map, which lie along its last axis: what the gradient of a weight that
learns in part reads."""

from __future__ import annotations

from trainlet.ir.graph import Node
from trainlet.ops.op import Chosen, build, kept


def size_of(chosen: Chosen, channels: int) -> int:
    """How many of so many channels are chosen."""
    return chosen.type.size if isinstance(chosen, Node) else kept(channels, chosen)


def chosen_channels(
    x: Node, chosen: Chosen, groups: int | None = None, exponent: Node | None = None
) -> Node:
    """The chosen channels of an activation or of a gradient.

    groups:   of so many groups of channels; by default each channel is one
    exponent: of a gradient that is mantissas
    """
    kind = "_bfp" if exponent else "_i8" if x.type.dtype == "int8" else ""
    extra = (exponent,) if exponent else ()
    axis, channels = x.type.rank - 1, x.type.shape[-1]
    groups = groups or channels
    run = channels // groups
    if not isinstance(chosen, Node):
        stop = kept(groups, chosen) * run
        return build(f"slice{kind}", x, *extra, axis=axis, start=0, stop=stop, label=x.name)
    rows, many = x.type.shape[:-1], chosen.type.size
    units = x if run == 1 else build("reshape", x, shape=(*rows, groups, run))
    taken = build(
        f"gather{kind}", units, chosen, *extra, axes=(axis,), many=(many,), copies=1, label=x.name
    )
    return taken if run == 1 else build("reshape", taken, shape=(*rows, many * run))
