"""Whether the oracle and another reference agree on one operator's result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.importer import HIDDEN
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Of the largest value of a result, and of the largest of its inputs: float32, whatever the order
of sums."""


def work(n: Node) -> int:
    """Multiply-accumulates and elements of a node."""
    return n.type.size if n.is_leaf else OPS[n.op].macs(n) + n.type.size


def missing_nodes(node: Node, known: dict[Node, np.ndarray]) -> list[Node]:
    """What must be computed for a node, inputs first."""
    order: dict[Node, None] = {}
    stack = [(node, False)]
    while stack:
        n, ready = stack.pop()
        if n in known or n in order:
            continue
        if ready:
            order[n] = None
        else:
            stack.append((n, True))
            stack.extend((i, False) for i in n.inputs)
    return list(order)


def computed(nodes: Sequence[Node], known: dict[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    """The values of nodes, which come inputs first, by the oracle's `eval`."""
    made: dict[Node, np.ndarray] = {}
    for n in nodes:
        given = (made[i] if i in made else known[i] for i in n.inputs)
        with np.errstate(all="ignore"):
            made[n] = np.asarray(OPS[n.op].eval(*given, **n.attrs), n.type.dtype)
    return made


def agreed(
    what: str, reference: str, ours: np.ndarray, given: np.ndarray, inputs: Sequence[np.ndarray]
) -> np.ndarray:
    """The reference's values; where these are a mask's minus infinity, ours.

    what: the operator and where it stands; reference: who computed `given`; inputs: of the
    operator, whose size tells what rounding may make

    Raises UnsupportedError if they differ.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(ours - given)
    worst = float(difference.max(initial=0))
    if worst <= ABSOLUTE:  # never so with NaN
        return given
    finite = np.isfinite(given)
    same = finite | ~np.isfinite(ours) | (np.isneginf(given) & (ours <= HIDDEN / 2))
    if not same.all():
        raise UnsupportedError(
            f"{what} gives {int((~same).sum())} values that are infinite "
            f"or NaN in {reference}; change the model so that they are finite"
        )
    worst = float(difference[finite].max(initial=0))
    scale, reach = _largest(given), max([1.0, *map(_largest, inputs)])
    if not worst <= RELATIVE * scale + ABSOLUTE * reach:
        raise UnsupportedError(
            f"{what}: what Trainlet computes differs from {reference} by up to "
            f"{worst:.3g} (the largest value is {scale:.3g}); this is an error in Trainlet: please "
            "report the model, and write this operator another way"
        )
    return np.where(finite, given, ours)


def _largest(x: np.ndarray) -> float:
    """The largest number; what stands for infinity is none."""
    usual = np.abs(x[np.abs(x) < -HIDDEN / 2])
    return float(usual.max(initial=0))
