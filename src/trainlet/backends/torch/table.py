"""The table: op name -> what it computes in torch, for all experiments at once."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node

Lowering = Callable[..., Tensor]
"""(node, values of its inputs [experiments, *shape]) -> its value; no input is overwritten."""

LOWERINGS: dict[str, Lowering] = {}
WITHOUT = {
    "softmax_i8": "it predicts: a trainer reads the logits before it",
}
"""The operators of plans that are not in the table, and why."""


def lowering(*names: str) -> Callable[[Lowering], Lowering]:
    """Register a function as the torch implementation of these ops."""

    def enter(made: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, made))
        return made

    return enter


def find_lowering(n: Node) -> Lowering:
    """Raises UnsupportedError, which names the node."""
    if n.op not in LOWERINGS:
        raise UnsupportedError(
            f"{n!r} cannot be simulated: {WITHOUT.get(n.op, 'torch has no entry for it')}; "
            f"simulated operators: {', '.join(sorted(LOWERINGS))}. Add it to "
            "trainlet/backends/torch, or train on build('host')"
        )
    return LOWERINGS[n.op]
