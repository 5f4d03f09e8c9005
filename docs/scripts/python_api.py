"""Makes the pages of the Python API from the public names of `trainlet.api`, without importing it.

mkdocstrings fills them in from the docstrings.  A name that no group has is under "More".
"""

from __future__ import annotations

import ast
from pathlib import Path

API = Path(__file__).parents[2] / "src" / "trainlet" / "api.py"

GROUPS = {
    "Compile": "compile prepare train plan load CompiledProgram Training",
    "What learns": "UpdateScheme",
    "Losses and optimisers": "Loss L2 Proximal SGD Adam RMSprop loss_in_chunks",
    "Precision and targets": "Int8 Target",
    "Run": "Trainer",
    "Measure": "Report Profile account Accounts published audit",
    "Compare and simulate": "check Comparison evaluate forward simulate Simulation",
    "Errors": "TrainletError",
}
INTRODUCTION = """# Python API

This page is made from the docstrings of the sources. All names are those of `import trainlet as
tl`. [Modules](python-modules.md) has `tl.schemes`, `tl.adapt` and the others. Shapes are in
brackets, and names of parameters are those of your model.

"""
MODULES_INTRODUCTION = """# Python modules

The modules of `import trainlet as tl`, made from the docstrings of the sources.

"""


def names() -> dict[str, str]:
    """For each public name that is no module where it is defined."""
    return {a.asname or a.name: defined(node.module, a.name) for node, a in _imports(API)}


def modules() -> dict[str, str]:
    """The public modules: name to full name."""
    tree = ast.parse(API.read_text())
    plain = [a for node in tree.body if isinstance(node, ast.Import) for a in node.names]
    return {a.asname or a.name.rpartition(".")[2]: a.name for a in plain}


def defined(module: str, name: str) -> str:
    """The full name behind the packages that pass it on: a function may be called as its file."""
    passed_on = API.parents[1].joinpath(*module.split("."), "__init__.py")
    for node, a in _imports(passed_on) if passed_on.is_file() else ():
        if (a.asname or a.name) == name:
            return defined(node.module, a.name)
    return f"{module}.{name}"


def _imports(path: Path) -> list[tuple[ast.ImportFrom, ast.alias]]:
    tree = ast.parse(path.read_text())
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return [(node, a) for node in found for a in node.names if node.module != "__future__"]


def entry(name: str, full: str, *options: str) -> str:
    given = (f"heading: tl.{name}", f"toc_label: {name}", *options)
    return f"::: {full}\n    options:\n" + "".join(f"      {o}\n" for o in given) + "\n"


def names_page() -> str:
    text, left = [INTRODUCTION], names()
    for title, group in GROUPS.items():
        text.append(f"## {title}\n\n")
        text += [entry(name, left.pop(name)) for name in group.split() if name in left]
    if left:
        text += ["## More\n\n", *(entry(name, full) for name, full in left.items())]
    return "".join(text)


def modules_page() -> str:
    text = [MODULES_INTRODUCTION]
    for name, full in sorted(modules().items()):
        inside = public(full)
        members = ["members: false"] if inside else []
        text.append(entry(name, full, "heading_level: 2", *members))
        text += [entry(f"{name}.{member}", path) for member, path in inside.items()]
    return "".join(text)


def public(module: str) -> dict[str, str]:
    """The names in `__all__` of a package, with their full names; none of a module in one file."""
    path = API.parents[1].joinpath(*module.split("."), "__init__.py")
    if not path.is_file():
        return {}
    found = {a.asname or a.name: defined(node.module, a.name) for node, a in _imports(path)}
    assigned = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign))
    listed = [n.value for n in assigned if ast.unparse(n.targets[0]) == "__all__"]
    names = ast.literal_eval(listed[0]) if listed else ()
    return {name: found.get(name, f"{module}.{name}") for name in names}
