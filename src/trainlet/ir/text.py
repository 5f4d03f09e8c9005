"""A graph as text, and back: golden tests, bug reports, `--stop-after`.

One line a node, `%k = op(%i, %j) {attrs} "name" : type`, then one line an output.  Names are JSON
strings; attributes and quantisation are Python literals, or calls of the few records of this
package.  Values of parameters
are not part of the text.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from trainlet.errors import FileError, ShapeError
from trainlet.ir.body import Body
from trainlet.ir.graph import LEAVES, Graph, Node
from trainlet.ir.storage import Delta, Merged, Order, Part, Planes, Storage
from trainlet.ir.types import DTYPES, Quant, TensorType

_RECORDS = {
    record.__name__: record
    for record in (Body, Delta, Merged, Order, Part, Planes, Quant, Storage, TensorType)
}

_NAME = r'"(?:[^"\\]|\\.)*"'
_LINE = re.compile(
    r"%(?P<id>\d+) = (?P<op>\w+)\((?P<inputs>[^)]*)\)(?: (?P<attrs>\{.*?\}))?"
    rf"(?: (?P<name>{_NAME}))?"
    r" : (?P<dtype>\w+)\[(?P<shape>[\d,]*)\](?: (?P<quant>Quant\(.*\)))?$"
)
_OUTPUT = re.compile(rf"output (?P<name>{_NAME}) = %(?P<id>\d+)$")


def print_graph(graph: Graph) -> str:
    """The graph's text; equal graphs give equal text."""
    number = {n: k for k, n in enumerate(graph.nodes())}
    lines = []
    for n, k in number.items():
        inputs = ", ".join(f"%{number[i]}" for i in n.inputs)
        name = f" {json.dumps(n.name)}" if n.name else ""
        attrs = f" {dict(n.attrs)!r}" if n.attrs else ""
        quant = f" {n.type.quant!r}" if n.type.quant else ""
        lines.append(f"%{k} = {n.op}({inputs}){attrs}{name} : {n.type}{quant}")
    lines += [f"output {json.dumps(name)} = %{number[n]}" for name, n in graph.outputs.items()]
    return "\n".join(lines) + "\n"


def _literal(node: ast.expr) -> Any:
    """The value of a literal that may hold records; raises ValueError for anything else."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_literal(k): _literal(v) for k, v in pairs if k is not None}
    if isinstance(node, ast.Tuple):
        return tuple(_literal(item) for item in node.elts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        record = _RECORDS.get(node.func.id)
        if record is not None and not node.args:
            return record(**{k.arg: _literal(k.value) for k in node.keywords if k.arg})
    return ast.literal_eval(node)


def _parse_literal(text: str | None) -> Any:
    return _literal(ast.parse(text, mode="eval").body) if text else None


def parse_graph(text: str) -> Graph:
    """The graph of a text; `values` is empty.  Raises FileError with the offending line."""
    nodes: dict[str, Node] = {}
    outputs: dict[str, Node] = {}
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            if found := _OUTPUT.match(line):
                outputs[json.loads(found["name"])] = nodes[found["id"]]
            elif found := _LINE.match(line):
                nodes[found["id"]] = _parse_node(found, nodes)
            else:
                raise ValueError("neither a node nor an output")
        except (ValueError, SyntaxError, KeyError, TypeError, ShapeError, RecursionError) as error:
            raise FileError(f"line {at} of the graph's text, {line!r}: {error}") from None
    return Graph(outputs)


def _parse_node(found: re.Match[str], nodes: dict[str, Node]) -> Node:
    if found["dtype"] not in DTYPES:
        raise ValueError(f"unknown dtype {found['dtype']}")
    shape = tuple(int(n) for n in found["shape"].split(",") if n)
    inputs = tuple(nodes[i.strip()[1:]] for i in found["inputs"].split(",") if i.strip())
    if not inputs and found["op"] not in LEAVES:
        raise ValueError(f"{found['op']} has no inputs")
    dtype, quant = found["dtype"], _parse_literal(found["quant"])
    kind = TensorType(shape, dtype, quant)  # type: ignore[arg-type]
    attrs = _parse_literal(found["attrs"]) or {}
    return Node(found["op"], inputs, kind, attrs, json.loads(found["name"] or '""'))
