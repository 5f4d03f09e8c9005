"""Fills in the templates of a C project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from trainlet.backends import project


def fill(name: str, context: Mapping[str, Any]) -> str:
    """The text of a template; the name of its file is this and `.jinja`."""
    return _templates().get_template(f"{name}.jinja").render(context)


def cmake(prefixes: Sequence[str]) -> str:
    """CMakeLists.txt of trainers that share a folder; the example is the last one's."""
    return fill(project.CMAKE, {"p": prefixes[-1], "prefixes": prefixes})


@cache
def _templates() -> Environment:
    """Each template is read once a process."""
    loader = PackageLoader("trainlet.backends", "templates")
    return Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
