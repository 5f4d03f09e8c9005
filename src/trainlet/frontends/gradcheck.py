"""The gradients of a model beside those of what torch.export recorded of it.

torch.export records the operators of the forward pass.  The backward pass of a
torch.autograd.Function, hooks that change a gradient, and torch.inference_mode leave no trace in
its program, so the program's gradients are compared with the model's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import UnsupportedError
from trainlet.frontends.selfcheck import call_with, evaluating, limits, random_trials

RELATIVE, ABSOLUTE = 1e-2, 1e-6
"""Of the largest gradient of a parameter: what an unrecorded backward pass changes is far more
than float32 rounds."""
Gradients = dict[str, torch.Tensor]


def check_gradients(
    model: torch.nn.Module, program: ExportedProgram, example: Sequence[torch.Tensor]
) -> None:
    """Compare the gradients of a weighted sum of the output on normal random inputs.

    Raises UnsupportedError with the first parameter whose gradient differs or has a hook.  A model
    that autograd itself refuses has no gradients to compare.
    """
    for name, p in model.named_parameters():
        if p._backward_hooks:
            raise UnsupportedError(
                f"the parameter {name!r} has a hook on its gradient (register_hook), which a "
                "trainer does not call; remove the hook"
            )
    inputs = random_trials([tuple(x.shape) for x in example], limits(example))[0]
    recorded = program.module(check_guards=False)
    with evaluating(model), _learning(model), _learning(recorded):
        own = _gradients(model, model, inputs)
        theirs = _gradients(program, recorded, inputs)
    if own is None or theirs is None:
        return
    for name, gradient in own.items():
        _check(name, gradient, theirs.get(name, torch.zeros_like(gradient)))


def _check(name: str, own: torch.Tensor, recorded: torch.Tensor) -> None:
    largest = max(float(own.abs().max()), float(recorded.abs().max())) if own.numel() else 0.0
    difference = float((own - recorded).abs().max()) if own.numel() else 0.0
    if difference > RELATIVE * largest + ABSOLUTE:
        raise UnsupportedError(
            f"the gradient of {name!r} in the model is not that of what torch.export recorded: "
            f"they differ by up to {difference:.3g} (the largest is {largest:.3g}); torch.export "
            "does not record the backward of a torch.autograd.Function, hooks that change a "
            "gradient, and torch.inference_mode: leave them out, or write the gradient with "
            "detach(), such as x + (f(x) - x).detach() for a gradient that passes f unchanged"
        )


def _gradients(
    original: torch.nn.Module | ExportedProgram, module: Any, inputs: Sequence[torch.Tensor]
) -> Gradients | None:
    """Of every parameter that the output depends on; None where autograd refuses."""
    parameters = module.named_parameters(remove_duplicate=False)  # a shared one by each name
    named = {name: p for name, p in parameters if p.requires_grad}
    try:
        with torch.enable_grad():
            made = call_with(original, inputs, module)
            weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(0))
            if not made.requires_grad:
                return {}
            found = torch.autograd.grad(made, list(named.values()), weights, allow_unused=True)
    except Exception:  # the model's own, of inputs that it does not take
        return None
    return {name: g for name, g in zip(named, found, strict=True) if g is not None}


@contextmanager
def _learning(module: Any) -> Iterator[None]:
    """Every parameter has a gradient, also those that the user has frozen: schemes choose."""
    frozen = [p for p in module.parameters() if not p.requires_grad and p.is_floating_point()]
    frozen = [p for p in frozen if p.is_leaf and not p.is_inference()]
    for p in frozen:
        p.requires_grad_()
    try:
        yield
    finally:
        for p in frozen:
            p.requires_grad_(False)
