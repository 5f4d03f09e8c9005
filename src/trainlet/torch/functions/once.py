"""What all functions here have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trainlet.errors import UnsupportedError

Context = Any  # torch.autograd.function.FunctionCtx, with what a function adds
once: Any = once_differentiable  # its type would not fit `Function.backward`


def check_precision(x: torch.Tensor) -> None:
    """Raise UnsupportedError under autocast, whose casts these functions do not know."""
    if torch.is_autocast_enabled(x.device.type):
        raise UnsupportedError(
            "a module of trainlet.torch.save_memory runs under torch.autocast; allowed: float32 or "
            "float64 without autocast; leave the `with torch.autocast(...)` out"
        )


def like(grad: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A tensor of a shape that only its shape is read of; it has the bytes of one element."""
    return grad.new_empty(1).expand(shape)
