"""Inputs of integers: samples, the indices of embeddings, and the labels of losses."""

from __future__ import annotations

import torch
from torch.fx import Node as Fx

from trainlet.frontends.source import operator_name
from trainlet.ir.types import DType

SENSED: dict[torch.dtype, DType] = {torch.int16: "int16", torch.uint8: "uint8"}
"""The types of a sensor's samples, and ours."""
INDICES = (torch.int64, torch.int32)
"""As which types torch has them."""
LOSSES = ("cross_entropy_loss", "nll_loss_nd", "nll_loss", "nll_loss2d")
"""Operators whose second argument may be labels."""


def index_limit(placeholder: Fx) -> int:
    """What the integers in an input must be less than: the fewest rows of an embedding, or classes
    of a loss, that reads it; 0 where none does."""
    if placeholder.meta["val"].dtype not in INDICES:
        return 0
    rows, seen = [], set()
    todo = [placeholder]
    while todo:
        fx = todo.pop()
        seen.add(fx)
        for user in fx.users:
            if operator_name(user) == "embedding" and fx in user.args[1:]:
                rows.append(user.args[0].meta["val"].shape[0])  # type: ignore[union-attr]
            elif operator_name(user) in LOSSES and fx in user.args[1:2]:
                rows.append(user.args[0].meta["val"].shape[1])  # type: ignore[union-attr]
            elif user not in seen:
                todo.append(user)
    return min(rows, default=0)
