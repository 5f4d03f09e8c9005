"""What is known of an operator stands on its record: nothing outside `ops/` asks for it by name.

The tables of the front ends and of the back ends that are made of operators are keyed by name; a
pass may name the operator that it builds.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainlet.ops  # noqa: F401  it registers every operator
from trainlet.ir.graph import LEAVES
from trainlet.ops.op import OPS

SRC = Path(__file__).parents[1] / "src" / "trainlet"
TABLES = ("ops/", "frontends/", "backends/torch/", "backends/aten/", "backends/onnx/")
PARTS_OF_NAMES = ("startswith", "endswith", "removeprefix", "removesuffix")


def _words(node: ast.AST) -> set[str]:
    """The words of all texts in an expression."""
    texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return {word for text in texts if isinstance(text, str) for word in text.split()}


def _names(node: ast.AST) -> set[str]:
    return _words(node) & (set(OPS) - set(LEAVES))


def _is_op(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "op") or (
        isinstance(node, ast.Name) and node.id == "op"
    )


def found(text: str) -> Iterator[tuple[int, str]]:
    """(line, what) of each list of operators and each question for an operator's name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Set | ast.Tuple | ast.List):
            items = node.elts
        elif isinstance(node, ast.Dict):
            items = [key for key in node.keys if key]
        else:
            items = [node] if isinstance(node, ast.Constant) else []
        listed = set().union(*(_names(i) for i in items if isinstance(i, ast.Constant)))
        if len(listed) > 1 and len(listed) == len(set().union(*map(_words, items))):
            yield node.lineno, f"a list of operators: {sorted(listed)}"
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_is_op, sides)) and any(_names(side) for side in sides):
                yield node.lineno, f"asks whether an operator is {sorted(_names(node))}"
        if isinstance(node, ast.Attribute) and node.attr in PARTS_OF_NAMES and _is_op(node.value):
            yield node.lineno, f"asks for a part of an operator's name: {node.attr}"


def test_no_list_of_operators_outside_the_tables():
    lists = [
        f"{path}:{line}: {what}"
        for file in sorted(SRC.rglob("*.py"))
        if not (path := file.relative_to(SRC).as_posix()).startswith(TABLES)
        for line, what in found(file.read_text())
    ]
    assert not lists, "put a field on the record of the operators (ops/op.py):\n" + "\n".join(lists)


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("LAYERS = ('linear', 'conv2d')", 1),
        ("LAYERS = frozenset('linear conv2d depthwise'.split())", 1),
        ("RULES = {'add_i8': 1, 'concat_i8': 2}", 1),
        ("n.op == 'detach'", 1),
        ("n.op in ('reshape', 'permute')", 2),
        ("'concat' != n.op", 1),
        ("n.op.endswith('_i8')", 1),
        ("build('add', x, y)", 0),
        ("n.op == 'param'", 0),
        ("n.op in ('param', 'const')", 0),
        ("n.attrs['scale']", 0),
        ("f(count=1, **{'count': 1, 'lines': 2})", 0),
        ("'''adds, scales\\nadd mul'''", 0),
    ],
)
def test_a_planted_list(text, many):
    assert len(list(found(text))) == many


def test_the_records_load_no_torch():
    """The command line reads them, and has to answer before torch is there."""
    text = "import sys, trainlet.ops; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text]).returncode == 0
