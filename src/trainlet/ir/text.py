"""A graph as text, and back: golden tests, bug reports, `--stop-after`.

One line a node, `%k = op(%i, %j) {attrs} "name" : type`, then one line an output.  Values of
parameters are not part of the text.
"""

from __future__ import annotations

import ast
import re

from trainlet.errors import FileError
from trainlet.ir.graph import LEAVES, Graph, Node
from trainlet.ir.storage import Storage
from trainlet.ir.types import DTYPES, TensorType

_LINE = re.compile(
    r"%(?P<id>\d+) = (?P<op>\w+)\((?P<inputs>[^)]*)\)(?: (?P<attrs>\{.*?\}))?"
    r'(?: "(?P<name>[^"]*)")? : (?P<dtype>\w+)\[(?P<shape>[\d,]*)\]$'
)
_OUTPUT = re.compile(r'output "(?P<name>[^"]*)" = %(?P<id>\d+)$')


def _attrs_text(node: Node) -> str:
    shown = dict(node.attrs)
    how = shown.pop("storage", None)
    if how is not None:
        shown["storage"] = (how.shape, how.permutation, how.offset)
    return f" {shown!r}" if shown else ""


def print_graph(graph: Graph) -> str:
    """The graph's text; equal graphs give equal text."""
    number = {n: k for k, n in enumerate(graph.nodes())}
    lines = []
    for n, k in number.items():
        inputs = ", ".join(f"%{number[i]}" for i in n.inputs)
        name = f' "{n.name}"' if n.name else ""
        lines.append(f"%{k} = {n.op}({inputs}){_attrs_text(n)}{name} : {n.type}")
    lines += [f'output "{name}" = %{number[n]}' for name, n in graph.outputs.items()]
    return "\n".join(lines) + "\n"


def _parse_attrs(text: str | None) -> dict:
    if not text:
        return {}
    attrs = ast.literal_eval(text)
    if "storage" in attrs:
        attrs["storage"] = Storage(*attrs["storage"])
    return attrs


def parse_graph(text: str) -> Graph:
    """The graph of a text; `values` is empty.  Raises FileError with the offending line."""
    nodes: dict[str, Node] = {}
    outputs: dict[str, Node] = {}
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            if found := _OUTPUT.match(line):
                outputs[found["name"]] = nodes[found["id"]]
            elif found := _LINE.match(line):
                nodes[found["id"]] = _parse_node(found, nodes)
            else:
                raise ValueError("neither a node nor an output")
        except (ValueError, SyntaxError, KeyError, TypeError) as error:
            raise FileError(f"line {at} of the graph's text, {line!r}: {error}") from None
    return Graph(outputs)


def _parse_node(found: re.Match[str], nodes: dict[str, Node]) -> Node:
    if found["dtype"] not in DTYPES:
        raise ValueError(f"unknown dtype {found['dtype']}")
    shape = tuple(int(n) for n in found["shape"].split(",") if n)
    inputs = tuple(nodes[i.strip()[1:]] for i in found["inputs"].split(",") if i.strip())
    if not inputs and found["op"] not in LEAVES:
        raise ValueError(f"{found['op']} has no inputs")
    attrs = _parse_attrs(found["attrs"])
    return Node(found["op"], inputs, TensorType(shape, found["dtype"]), attrs, found["name"] or "")  # type: ignore[arg-type]
