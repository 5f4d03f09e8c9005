"""The stages of a program as graphs of ATen operators."""

from __future__ import annotations

import torch

from trainlet.backends.aten.module import Placement, Traced, traced
from trainlet.errors import ToolchainError
from trainlet.ir.roles import LOSS
from trainlet.planning.program import APPLY, PREDICT, STEP, Program


def modules_of(program: Program) -> dict[str, Traced]:
    """Each stage with its nodes in the order of the plan: a step returns the loss, a prediction the
    network's outputs.

    Raises UnsupportedError as `traced` does, ToolchainError where torch finds no such device.
    """
    target = program.target
    placement = Placement(device_of(target.name), getattr(torch, target.floats))
    fixed = {n.name: n for n in (*program.constants, *program.seeds)}
    constants = {name: placement.tensor(n, program.initial(n)) for name, n in fixed.items()}
    returned = {STEP: [LOSS], PREDICT: list(program.stages[PREDICT].graph.outputs), APPLY: []}
    found = {}
    for name, stage in program.stages.items():
        needed = set(stage.graph.nodes())
        order = [n for n in stage.plan.order if n in needed]
        found[name] = traced(stage.graph, order, returned[name], constants, placement)
    return found


def device_of(name: str) -> torch.device:
    """Of the target of that name.  Raises ToolchainError for a GPU that torch does not find."""
    device, _, _ = name.partition("-")
    if device == "cuda" and not torch.cuda.is_available():
        raise ToolchainError(
            f"target={name!r} needs a GPU and a build of PyTorch for it, and torch finds none; "
            "compile for target='cpu'"
        )
    return torch.device(device)
