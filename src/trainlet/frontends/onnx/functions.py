"""Functions that an .onnx file defines itself, written out where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trainlet.errors import FileError
from trainlet.ir.bounds import NODES, TENSOR_BYTES
from trainlet.ir.printable import plain

DEEPEST = 64
"""How many functions may call one another."""


def written_out(proto: Any) -> Any:
    """The model without functions of its own.

    Raises FileError for functions that call themselves, and for what would become too large.
    """
    if not proto.functions:
        return proto
    _check_size(proto)
    try:
        from onnx.inliner import inline_local_functions

        return inline_local_functions(proto)
    except Exception as error:  # whatever the package says of hostile functions
        raise FileError(
            f"its functions cannot be written out: {type(error).__name__}: {str(error)[:200]}"
        ) from None


def _check_size(proto: Any) -> None:
    """Before anything is written out: operators, and the bytes of their attributes."""
    functions = {(f.domain, f.name): f for f in proto.functions}
    known: dict[tuple[str, str], tuple[int, int]] = {}

    def size(nodes: Iterable[Any], depth: int) -> tuple[int, int]:
        count = total = 0
        for node in _all(nodes):
            key = node.domain, node.op_type
            if key not in functions:
                count, total = count + 1, total + node.ByteSize()
                continue
            if depth == DEEPEST:
                name = plain(node.op_type, 60)
                raise FileError(f"the function {name!r} calls itself, or others too deeply")
            if key not in known:
                known[key] = size(functions[key].node, depth + 1)
            count, total = count + known[key][0], total + known[key][1]
            NODES.check(count, "the network with its functions written out")
            TENSOR_BYTES.check(total, "the network with its functions written out")
        return count, total

    size(proto.graph.node, 0)


def _all(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes, and those of the graphs that are their attributes."""
    left = list(nodes)
    while left:
        node = left.pop()
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                left.extend(graph.node)
