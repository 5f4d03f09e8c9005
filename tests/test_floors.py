"""The house rules of src/trainlet: who may import whom, and how long a file may get."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "trainlet"

FLOOR = {
    "errors": -1,
    "interrupt": -0.7,
    "progress": -0.7,
    "files": -0.5,  # what is written is whole: it waits with Ctrl-C
    "ir": 0,
    "ops": 1,
    "frontends": 2,
    "passes": 2,
    "planning": 3,
    "backends": 4,
    "run": 4,
    "arguments": 4.5,
    "compiled": 4.7,
    "compiler": 5,
    "comparison": 6,
    "adapt": 6,
    "schemes": 6,
    "privacy": 6,
    "fleet": 6.1,
    "features": 6,
    "fewshot": 6,
    "life": 6,
    "export": 6.1,
    "torch": 6.1,
    "accounting": 6.2,
    "api": 6.4,
    "__init__": 6.5,  # the public names: the rooms above may use them like anybody else
    "pictures": 6.8,  # files to look at, of what the rooms below have found
    "demo": 7,
    "explorer": 7.1,  # it shows the networks of the demos
    "cli": 7.5,  # shows what the rooms below it do
    "__main__": 8,
}
NEIGHBOURS = ({"frontends", "passes"}, {"backends", "run"})  # the same floor, and an open door
TEXT = {".py", ".c", ".h", ".S", ".s", ".ld", ".jinja", ".toml", ".txt", ".html", ".css", ".js"}


def room(parts: tuple[str, ...]) -> str:
    """The folder or module just under the root: ('ops', 'conv') -> 'ops'; () -> '__init__'."""
    return parts[0] if parts else "__init__"


def imports(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of each import of our own package, wherever in the file it stands."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head, *rest = alias.name.split(".")
                if head == root.name:
                    yield node.lineno, room(tuple(rest))
        elif isinstance(node, ast.ImportFrom):
            parts = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                parts = package[: len(package) - node.level + 1] + parts
            elif parts[0] == root.name:
                parts = parts[1:]
            else:
                continue
            for alias in node.names:  # `from trainlet import ir` names a room, not a public name
                inside = (alias.name,) if not parts and alias.name in FLOOR else parts
                yield node.lineno, room(inside)


def violations(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root)
        here = room(where.with_suffix("").parts)
        if here not in FLOOR:
            found.append(f"{where}: '{here}' is on no floor; give it one in {Path(__file__).name}")
            continue
        if where.name == "__init__.py" and len(where.parts) == 1:
            continue  # the root may import everything
        for line, there in sorted(set(imports(path, root))):
            below = there in FLOOR and FLOOR[there] < FLOOR[here]
            if not (below or there == here or {here, there} in NEIGHBOURS):
                found.append(
                    f"{where}:{line}: '{here}' (floor {FLOOR[here]}) imports '{there}' "
                    f"(floor {FLOOR.get(there, 'unknown')}); only floors below are allowed"
                )
    return found


def test_every_import_goes_down():
    assert not violations(SRC), "\n".join(violations(SRC))


@pytest.mark.parametrize(
    ("file", "statement", "allowed"),
    [
        ("ops/conv.py", "from trainlet.ir.graph import Node", True),
        ("ops/conv.py", "from ..ir import graph", True),
        ("ops/conv.py", "from .op import register", True),
        ("ops/conv.py", "from trainlet.errors import TrainletError", True),
        ("ops/conv.py", "import numpy as np", True),
        ("passes/fold.py", "from ..frontends import aten", True),
        ("run/native.py", "import trainlet.backends.c", True),
        ("cli/main.py", "import trainlet as tl", True),
        ("__init__.py", "from .compiler import compile", True),
        ("planning/place.py", "from trainlet.backends.c import render", False),
        ("ir/graph.py", "from ..ops import op", False),
        ("ir/deep/graph.py", "from ...passes.fold import fold", False),
        ("ir/graph.py", "def f():\n    from trainlet import planning", False),
        ("ir/graph.py", "from .. import TensorType", False),
        ("ops/conv.py", "import trainlet.compiler", False),
        ("schemes/search.py", "import trainlet as tl", False),
        ("privacy/audit.py", "from ..schemes import presets", False),
        ("errors.py", "from .ir import types", False),
        ("helpers/text.py", "", False),
    ],
)
def test_a_planted_import(tmp_path, file, statement, allowed):
    path = tmp_path / "trainlet" / file
    path.parent.mkdir(parents=True)
    path.write_text(statement + "\n")
    assert (violations(tmp_path / "trainlet") == []) is allowed


def circles(root: Path) -> list[str]:
    """Modules that import each other, directly or through others: one line for each import that
    closes a circle.  Imports inside functions and under TYPE_CHECKING count too."""
    modules = {module_of(path, root): path for path in sorted(root.rglob("*.py"))}
    below: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        wanted = {
            next((each for each in names if each in modules), "")
            for node in ast.walk(ast.parse(path.read_text(), str(path)))
            for names in imported(node, package)
        }
        below[name] = wanted - {""}

    def reached(start: str) -> set[str]:
        found, waiting = set[str](), [start]
        while waiting:
            new = below[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    behind = {name: reached(name) for name in modules}
    return [
        f"{name} imports {there}, which imports it again"
        for name in modules
        for there in sorted(below[name])
        if name in behind[there]
    ]


def module_of(path: Path, root: Path) -> str:
    """ops/conv.py -> trainlet.ops.conv; ops/__init__.py -> trainlet.ops"""
    parts = (root.name, *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def imported(node: ast.AST, package: str) -> Iterator[tuple[str, ...]]:
    """What an import statement may name, the narrowest first: a module, or a name in a module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.name,)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            yield f"{base}.{alias.name}", base


def test_no_modules_import_each_other():
    assert not circles(SRC), "\n".join(circles(SRC))


@pytest.mark.parametrize(
    ("back", "found"),
    [
        ("from trainlet.planning.plan import Plan", 2),
        ("from .plan import Plan", 2),
        ("from . import plan", 2),
        ("import trainlet.planning.plan", 2),
        ("def f():\n    from trainlet.planning.plan import Plan", 2),
        ("if TYPE_CHECKING:\n    from ..planning.plan import Plan", 2),
        ("from trainlet.planning.other import last", 3),
        ("import numpy", 0),
    ],
)
def test_a_planted_circle(tmp_path, back, found):
    folder = tmp_path / "trainlet" / "planning"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "plan.py").write_text("from trainlet.planning import replay\n")
    (folder / "other.py").write_text("from trainlet.planning.plan import Plan as last\n")
    (folder / "replay.py").write_text(back + "\n")
    assert len(circles(tmp_path / "trainlet")) == found


def test_files_stay_small():
    lengths = {
        path.relative_to(SRC): len(path.read_text().splitlines())
        for path in SRC.rglob("*")
        if path.suffix in TEXT
    }
    assert lengths, f"nothing found under {SRC}"
    assert not {path: lines for path, lines in lengths.items() if lines > 500}


def test_no_drawer_for_odds_and_ends():
    assert not [path for path in SRC.rglob("*") if path.stem in {"utils", "util", "helpers"}]
