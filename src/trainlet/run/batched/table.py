"""The table: op name -> what it computes for all experiments at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
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


PIECE = 1 << 16
"""Elements whose temporary values still fit a core's cache."""


def in_pieces(made: Meaning) -> Meaning:
    """On a CPU the same, for a few experiments at a time: their integers then stay in the cache."""

    @wraps(made)
    def run(n: Node, *inputs: Tensor) -> Tensor:
        lead, few = max(map(len, inputs)), max(1, PIECE // n.type.size)
        splits = all(len(i) in (1, lead) for i in inputs) and inputs[0].device.type == "cpu"
        if lead <= few or not splits:
            return made(n, *inputs)
        starts = range(0, lead, few)
        parts = ((i if len(i) == 1 else i[k : k + few] for i in inputs) for k in starts)
        return torch.cat([made(n, *part) for part in parts])

    return run


def find_meaning(n: Node) -> Meaning:
    """Raises UnsupportedError, which names the node."""
    if n.op not in MEANINGS:
        raise UnsupportedError(
            f"{n!r} cannot be simulated: {n.op} has no batched meaning; simulated ops: "
            f"{', '.join(sorted(MEANINGS))}. Enter one in trainlet/run/batched, or train on "
            "build('host')"
        )
    return MEANINGS[n.op]
