"""The table: a row an ONNX operator.

A builder takes the import in progress, whose inputs and attributes are those of the operator at
hand, and gives the node of its result, or of each.  Most rows are those of ATen's operators.
"""

from __future__ import annotations

from collections.abc import Callable

from trainlet.frontends.onnx.builder import Builder
from trainlet.ir.graph import Node

Row = Callable[[Builder], Node | list[Node]]
TABLE: dict[str, Row] = {}


def onnx(*names: str) -> Callable[[Row], Row]:
    """Enter a builder under the operators' names."""

    def enter(row: Row) -> Row:
        TABLE.update(dict.fromkeys(names, row))
        return row

    return enter
