"""Marks on the elements of a parameter, in the layout of the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ir.storage import packed, read_type, storage, to_device


def can_be_marked(leaf: Node) -> bool:
    """Whether each element of the parameter is one of the leaf."""
    return storage(leaf).part is None


def marked(leaf: Node, mask: np.ndarray) -> np.ndarray:
    """The mask, bools in the layout of the user's model, as the device keeps the leaf.

    Of a weight with extra bits: int8, with those bits set that belong to the mask's elements, in
    the integers and in their fractions.
    """
    how = storage(leaf)
    plain = replace(how, planes=None, factor=None, offset=None, delta=None)
    bare = Node(leaf.op, (), replace(read_type(leaf), quant=None), {"storage": plain}, leaf.name)
    placed = to_device(bare, mask.astype(np.int8)) != 0
    if how.planes is None:
        return placed
    low = placed.reshape(-1, placed.shape[-1])[: how.planes.rows, : how.planes.columns]
    ones = [-part.reshape(-1).astype(np.int8) for part in (placed, low)]
    return np.concatenate([ones[0], packed(ones[1], how.planes.bits)])


def keeping(before: Tensor, after: Tensor, marks: Tensor) -> Tensor:
    """A leaf after a step, in which what is marked stays as it was."""
    if marks.dtype == torch.bool:
        return torch.where(marks, before, after)
    return before & marks | after & ~marks
