"""What a chain is: links (op, operands, attributes), each of which reads the one before.

`operands` has a letter for each operand: RESULT of the link before, else the node's next input, a
MAP of the result's shape or a VECTOR along its last dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, Literal

RESULT, MAP, VECTOR = "x", "m", "v"
FusedOp = tuple[str, str, Mapping[str, Any]]
T = TypeVar("T")


def chained(
    links: Iterable[FusedOp], inputs: Iterable[T], run: Callable[[FusedOp, list[T]], T]
) -> T:
    """The last link's result, where `run` makes a link's result of its operands."""
    rest, made = iter(inputs), list[T]()
    for link in links:
        made = [run(link, [made[0] if kind == RESULT else next(rest) for kind in link[1]])]
    return made[0]


def kinds(links: Iterable[FusedOp]) -> str:
    """MAP or VECTOR for each input."""
    return "".join(kind for _, operands, _ in links for kind in operands if kind != RESULT)


def is_kind(kind: str, operand: TensorType, result: TensorType) -> bool:
    """Whether an operand is a MAP or a VECTOR of a result."""
    if kind == MAP:
        return operand.shape == result.shape
    return operand.shape[-1:] == result.shape[-1:] == (operand.size,)


def literals(link: FusedOp) -> Sequence[Literal]:
    """The literals that follow the operands in the call of the C function of one element."""
    op, _, attrs = link
    element = OPS[op].element
    return element(attrs) if element else ()
