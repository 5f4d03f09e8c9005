"""The C sources of kernels: found on a target's search path, with their headers, or made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
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


WORTH = 10_000
"""A fast kernel is worth its Flash from so many multiply-accumulates on, in all calls together."""


@lru_cache
def find(name: str, path: Sequence[str]) -> Path:
    """The first file of that name in the folders of the path."""
    for folder in path:
        file = KERNELS / folder / name
        if file.is_file():
            return file
    raise UnsupportedError(f"no kernel {name} in {', '.join(path)}")


def source(nodes: Iterable[Node], path: Sequence[str]) -> str:
    """One C text of the kernels of all nodes, the smallest of those that do little.  Where a folder
    needs what not every compiler offers, also without it, so that the same project runs on this
    machine."""
    made, callers = dict[str, str](), dict[str, str]()
    macs, repeated = Counter[str](), set[str]()

    def add(n: Node, again: bool) -> None:
        op, called = OPS[n.op], OPS[n.op].calls(n)
        for m in called:
            add(m, True)
        name, text = op.kernel(n), callers if called else made
        text[name] = op.source(n) if op.source else f'#include "{name}.c"\n'
        macs[name] += op.macs(n)
        if again:
            repeated.add(name)

    for n in nodes:
        add(n, False)
    few = {f"{k}.c" for k, count in macs.items() if 0 < count < WORTH and k not in repeated}
    texts = {name: text[name] for text in (made, callers) for name in sorted(text)}
    return _guarded(texts, path, few)


def _guarded(texts: Mapping[str, str], path: Sequence[str], few: Set[str]) -> str:
    first = path[0]
    if first not in NEEDS:
        return _joined(texts, path, few)
    return (
        f"#if {NEEDS[first]}\n{_joined(texts, path, few)}\n"
        f"#else /* the same without {first} */\n{_guarded(texts, path[1:], few)}#endif\n"
    )


def _joined(texts: Mapping[str, str], path: Sequence[str], few: Set[str]) -> str:
    """Each header once, before its first user; `few`: files of the last folder, the smallest, which
    are kept out of their callers, whose frames would grow."""
    done: set[str] = set()
    parts: list[str] = []

    def plain(name: str) -> str:
        text = find(name, path[-1:]).read_text()
        return '#include "one_copy.h"\n' + text.replace("KERNEL void", "KERNEL ONE_COPY void")

    def add(text: str) -> None:
        for name in _INCLUDE.findall(text):
            if name not in {"kernel.h", *done}:
                done.add(name)
                add(plain(name) if name in few else find(name, path).read_text())
        body = _SYSTEM.sub("", _INCLUDE.sub("", text)).strip()
        if body:
            parts.append(body + "\n")

    for text in texts.values():
        add(text)
    return "\n".join(parts)
