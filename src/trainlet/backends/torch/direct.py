"""Operators that compute a gradient and apply it at once: the functions of the gradient and of the
update, one after the other."""

from __future__ import annotations

from torch import Tensor

from trainlet.backends.torch.table import find_lowering, lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized.gradient.direct import applying, taken_apart


@lowering(*applying())
def direct(n: Node, p: Tensor, *others: Tensor) -> Tensor:
    gradient, update = taken_apart(n)
    own = len(gradient.inputs)
    g = find_lowering(gradient)(gradient, *others[:own])
    return find_lowering(update)(update, p, g, *others[own:])
