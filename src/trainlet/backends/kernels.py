"""The C sources of kernels: found on a target's search path, with their headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from trainlet.errors import UnsupportedError

KERNELS = Path(__file__).parent.parent / "ops" / "kernels"
_INCLUDE = re.compile(r'^#include "([\w.]+)"\n', re.MULTILINE)
_SYSTEM = re.compile(r"^#include <std[\w.]+>\n", re.MULTILINE)
NEEDS = {"helium": "__ARM_FEATURE_MVE"}
"""Folders whose kernels only some compilers can read, and the macro that says so."""


@lru_cache
def find(name: str, path: Sequence[str]) -> Path:
    """The first file of that name in the folders of the path."""
    for folder in path:
        file = KERNELS / folder / name
        if file.is_file():
            return file
    raise UnsupportedError(f"no kernel {name} in {', '.join(path)}")


def source(ops: Iterable[str], path: Sequence[str]) -> str:
    """One C text of the kernels of all ops; where a folder needs what not every compiler offers,
    also without it, so that the same project runs on this machine."""
    names, first = sorted(set(ops)), path[0]
    if first not in NEEDS:
        return _joined(names, path)
    return (
        f"#ifdef {NEEDS[first]}\n{_joined(names, path)}\n"
        f"#else /* the same without {first} */\n{source(names, path[1:])}#endif\n"
    )


def _joined(ops: Sequence[str], path: Sequence[str]) -> str:
    """Each header once, before its first user."""
    done: set[str] = set()
    parts: list[str] = []

    def add(name: str) -> None:
        if name in done:
            return
        done.add(name)
        text = find(name, tuple(path)).read_text()
        for header in _INCLUDE.findall(text):
            if header != "kernel.h":
                add(header)
        body = _SYSTEM.sub("", _INCLUDE.sub("", text))
        parts.append(body.strip() + "\n")

    for op in ops:
        add(f"{op}.c")
    return "\n".join(parts)
