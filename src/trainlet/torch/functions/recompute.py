"""A module that keeps its input alone, and runs a second time in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from trainlet.errors import UnsupportedError
from trainlet.torch.functions.once import Context, once


class _Recomputed(Function):
    @staticmethod
    def forward(ctx: Context, module: nn.Module, x: Tensor, *learns: Tensor) -> Tensor:
        ctx.module = module
        ctx.random = torch.get_rng_state() if module.training else None
        ctx.save_for_backward(x, *learns)
        y = type(module).forward(module, x)
        if not isinstance(y, Tensor):
            raise UnsupportedError(
                f"a {type(module).__name__} that is to be recomputed returns a "
                f"{type(y).__name__}; allowed: one tensor; leave it out of `recompute`"
            )
        return y

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        x, *learns = ctx.saved_tensors
        again = x.detach().requires_grad_(ctx.needs_input_grad[1])
        wanted = [t for t in (again, *learns) if t.requires_grad]
        with torch.enable_grad(), torch.random.fork_rng(devices=[], enabled=ctx.module.training):
            if ctx.random is not None:
                torch.set_rng_state(ctx.random)
            y = type(ctx.module).forward(ctx.module, again)
        found = iter(torch.autograd.grad(y, wanted, grad, allow_unused=True))
        return None, *(next(found) if t.requires_grad else None for t in (again, *learns))


def recomputed(module: nn.Module, *inputs: Any, **named: Any) -> Tensor:
    """`module(x)` that keeps x alone.  Raises UnsupportedError for other arguments, and for a batch
    norm in training mode, whose statistics would move twice."""
    if len(inputs) != 1 or named or not isinstance(inputs[0], Tensor):
        raise UnsupportedError(
            f"a {type(module).__name__} that is to be recomputed has {len(inputs) + len(named)} "
            "arguments; allowed: one tensor; leave it out of `recompute`"
        )
    for name, norm in module.named_modules():
        if norm.training and getattr(norm, "running_mean", None) is not None:
            raise UnsupportedError(
                f"the batch norm {name!r} of a {type(module).__name__} that is to be recomputed is "
                "in training mode; call eval() on it"
            )
    learns = [p for p in module.parameters() if p.requires_grad]
    return _Recomputed.apply(module, inputs[0], *learns)  # type: ignore[no-any-return]
