"""Gradients that go straight into what they train: the gradient's meaning, then the update's."""

from __future__ import annotations

from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ops.quantized.gradient.direct import DIRECT, taken_apart
from trainlet.run.batched.table import find_meaning, meaning


@meaning(*DIRECT.values())
def direct(n: Node, p: Tensor, *others: Tensor) -> Tensor:
    gradient, update = taken_apart(n)
    own = len(gradient.inputs)
    g = find_meaning(gradient)(gradient, *others[:own])
    return find_meaning(update)(update, p, g, *others[own:])
