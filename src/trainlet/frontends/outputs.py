"""What a model returns, by name: a tensor, or tensors in tuples and dictionaries."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_leaves_with_path

from trainlet.ir.roles import LOGITS


def outputs_of(made: Any) -> dict[str, torch.Tensor]:
    """The tensors that a call of the model has made, by name; `logits` where it is one.

    The name of an element is its key or field, or its index; of what is nested, the path with
    dots.
    """
    found = {
        _name(path): value
        for path, value in tree_leaves_with_path(made)
        if isinstance(value, torch.Tensor)
    }
    return found if len(found) != 1 else dict.fromkeys((LOGITS,), *found.values())


def _name(path: tuple[Any, ...]) -> str:
    """Keys of dictionaries, fields of tuples with names, indices."""
    steps = (
        next(getattr(step, kind) for kind in ("key", "name", "idx") if hasattr(step, kind))
        for step in path
    )
    return ".".join(map(str, steps))
