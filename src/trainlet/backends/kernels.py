"""The C sources of kernels: found on a target's search path, with their headers, or made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

KERNELS = Path(__file__).parent.parent / "ops" / "kernels"
_INCLUDE = re.compile(r'^#include "([\w.]+)"\n', re.MULTILINE)
_SYSTEM = re.compile(r"^#include <(?:std[\w.]+|string\.h)>\n", re.MULTILINE)
NEEDS = {"helium": "defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__)"}
"""Folders whose kernels only some compilers accept, and the macro condition that tells. Without
optimization the compiler cannot give their assembly the registers it needs."""


@lru_cache
def find(name: str, path: Sequence[str]) -> Path:
    """The first file of that name in the folders of the path."""
    for folder in path:
        file = KERNELS / folder / name
        if file.is_file():
            return file
    raise UnsupportedError(f"no kernel {name} in {', '.join(path)}")


def source(nodes: Iterable[Node], path: Sequence[str]) -> str:
    """One C text of the kernels of all nodes; where a folder needs what not every compiler offers,
    also without it, so that the same project runs on this machine."""
    made, callers = dict[str, str](), dict[str, str]()

    def add(n: Node) -> None:
        op, called = OPS[n.op], OPS[n.op].calls(n)
        for m in called:
            add(m)
        name, text = op.kernel(n), callers if called else made
        text[name] = op.source(n) if op.source else f'#include "{name}.c"\n'

    for n in nodes:
        add(n)
    return _guarded({name: text[name] for text in (made, callers) for name in sorted(text)}, path)


def _guarded(texts: Mapping[str, str], path: Sequence[str]) -> str:
    first = path[0]
    if first not in NEEDS:
        return _joined(texts, path)
    return (
        f"#if {NEEDS[first]}\n{_joined(texts, path)}\n"
        f"#else /* the same without {first} */\n{_guarded(texts, path[1:])}#endif\n"
    )


def _joined(texts: Mapping[str, str], path: Sequence[str]) -> str:
    """Each header once, before its first user."""
    done: set[str] = set()
    parts: list[str] = []

    def add(text: str) -> None:
        for name in _INCLUDE.findall(text):
            if name not in {"kernel.h", *done}:
                done.add(name)
                add(find(name, tuple(path)).read_text())
        body = _SYSTEM.sub("", _INCLUDE.sub("", text)).strip()
        if body:
            parts.append(body + "\n")

    for text in texts.values():
        add(text)
    return "\n".join(parts)
