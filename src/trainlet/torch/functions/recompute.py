"""A module that keeps its input alone, and runs a second time in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from trainlet.errors import UnsupportedError
from trainlet.torch.functions.once import Context, once

Others = tuple[tuple[Any, ...], dict[str, Any]]


class _Recomputed(Function):
    """others: arguments beside x, by position and by name, through which no gradient passes"""

    @staticmethod
    def forward(
        ctx: Context, module: nn.Module, others: Others, x: Tensor, *learns: Tensor
    ) -> Tensor:
        ctx.module, ctx.others = module, others
        ctx.random = torch.get_rng_state() if module.training else None
        ctx.save_for_backward(x, *learns, *_tensors(others))
        y = _run(module, x, others)
        if not isinstance(y, Tensor):
            raise _refused(module, f"returns a {type(y).__name__}")
        return y

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        needs = ctx.needs_input_grad[2:]
        x, *learns = ctx.saved_tensors[: len(needs)]
        again = x.detach().requires_grad_(needs[0])
        wanted = [t for t in (again, *learns) if t.requires_grad]
        with torch.enable_grad(), torch.random.fork_rng(devices=[], enabled=ctx.module.training):
            if ctx.random is not None:
                torch.set_rng_state(ctx.random)
            y = _run(ctx.module, again, ctx.others)
        found = iter(torch.autograd.grad(y, wanted, grad, allow_unused=True))
        return None, None, *(next(found) if t.requires_grad else None for t in (again, *learns))


def recomputed(module: nn.Module, *inputs: Any, **named: Any) -> Tensor:
    """The module's forward pass, of which only the first argument is kept.

    Raises UnsupportedError where that is no tensor, where a gradient passes through another
    argument, and for a batch norm in training mode, whose statistics would move twice.
    """
    others = (inputs[1:], named)
    if not inputs or not isinstance(inputs[0], Tensor):
        raise _refused(module, "does not get a tensor as its first argument")
    if any(t.requires_grad for t in _tensors(others)):
        raise _refused(module, "gets a gradient through two arguments")
    if any(m.training and getattr(m, "running_mean", None) is not None for m in module.modules()):
        raise _refused(module, "has a batch norm in training mode")
    learns = [p for p in module.parameters() if p.requires_grad]
    return _Recomputed.apply(module, others, inputs[0], *learns)  # type: ignore[no-any-return]


def _refused(module: nn.Module, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"a {type(module).__name__} that is to be recomputed {why}; allowed: modules that compute "
        "one tensor from one; leave it out of `recompute`"
    )


def _run(module: nn.Module, x: Tensor, others: Others) -> Any:
    return type(module).forward(module, x, *others[0], **others[1])


def _tensors(others: Others) -> list[Tensor]:
    return [t for t in (*others[0], *others[1].values()) if isinstance(t, Tensor)]
