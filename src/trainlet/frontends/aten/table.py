"""The table: a row an operator, named without its overload.

A builder takes the importer and the operator's own arguments, in PyTorch's order; tensors are
Nodes in PyTorch's layout.  Layout changes cost nothing here: `passes.layout` removes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trainlet.ir.graph import Node

Builder = Callable[..., Node | list[Node]]
Known = TypeVar("Known", bound=Builder)
ATEN: dict[str, Builder] = {}
MOVES: set[str] = set()
"""Operators whose result holds elements of their one tensor."""
OF_CONDITIONS: set[str] = set()
"""Operators that mean the same of booleans as of zeros and ones."""


def aten(*names: str, moves: bool = False, conditions: bool = False) -> Callable[[Known], Known]:
    """Enter a builder under the operators' names.

    moves: they are MOVES, and so OF_CONDITIONS; conditions: they are OF_CONDITIONS
    """

    def enter(builder: Known) -> Known:
        ATEN.update(dict.fromkeys(names, builder))
        if moves:
            MOVES.update(names)
        if moves or conditions:
            OF_CONDITIONS.update(names)
        return builder

    return enter
