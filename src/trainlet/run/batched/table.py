"""The table: op name -> what it computes for all experiments at once."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node

Meaning = Callable[..., Tensor]
"""(node, values of its inputs [lead, *shape]) -> its value; no input is overwritten."""

MEANINGS: dict[str, Meaning] = {}


def meaning(*names: str) -> Callable[[Meaning], Meaning]:
    """Enter a function as the meaning of these ops."""

    def enter(made: Meaning) -> Meaning:
        MEANINGS.update(dict.fromkeys(names, made))
        return made

    return enter


def find_meaning(n: Node) -> Meaning:
    """Raises UnsupportedError, which names the node."""
    if n.op not in MEANINGS:
        raise UnsupportedError(
            f"{n!r} cannot be simulated: {n.op} has no batched meaning; simulated ops: "
            f"{', '.join(sorted(MEANINGS))}. Enter one in trainlet/run/batched, or train on "
            "build('host')"
        )
    return MEANINGS[n.op]
