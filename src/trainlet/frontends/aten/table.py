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


def aten(*names: str) -> Callable[[Known], Known]:
    """Enter a builder under the operators' names."""

    def enter(builder: Known) -> Known:
        ATEN.update(dict.fromkeys(names, builder))
        return builder

    return enter
