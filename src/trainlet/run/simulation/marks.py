"""Marks on the elements of a parameter, in the layout of the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.storage import storage, to_device


def can_be_marked(leaf: Node) -> bool:
    """Whether each byte or number of the leaf belongs to one element that learns."""
    how = storage(leaf)
    return how.part is None and (how.planes is None or how.planes.bits == 8)


def marked(leaf: Node, mask: np.ndarray) -> np.ndarray:
    """The mask, bools in the layout of the user's model, as the device keeps the leaf: of a weight
    with extra bits both the integers and their fractions."""
    how = storage(leaf)
    kept = leaf.type if how.planes is None else how.planes.tensor
    plain = replace(how, planes=None, factor=None, offset=None)
    bare = Node(leaf.op, (), replace(kept, quant=None), {"storage": plain}, leaf.name)
    placed = to_device(bare, mask.astype(np.int8)) != 0
    if how.planes is None:
        return placed
    low = placed.reshape(-1, placed.shape[-1])[: how.planes.rows, : how.planes.columns]
    return np.concatenate([placed.reshape(-1), low.reshape(-1)])
