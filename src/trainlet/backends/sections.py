"""Linker sections: where a firmware places a trainer's arena, its trained state and its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trainlet.errors import TargetError, shown
from trainlet.ir.arguments import one_of

PARTS = {
    "arena": "the tensors of one call",
    "state": "what training changes",
    "weights": "the constants: frozen weights, and first values of trained ones",
}
LINE = 32
"""Bytes that placed weights are aligned to: a cache line of the Cortex-M7 and of the ESP32-S3,
which read memory-mapped Flash a line at a time."""
_NAME = re.compile(r"\.?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_LONGEST = 48
_CONSTANT = (".text", ".rodata", ".init", ".fini", ".data")
_ZEROED = (".text", ".init", ".fini", ".bss", ".noinit", ".data")


def sections_of(given: Any, separate: bool = True) -> dict[str, str]:
    """The linker section of each part that is placed, checked: {} for None.

    given: {part: name of a section}; parts: keys of PARTS
    separate: whether the trained state has an array of its own
    Raises TargetError.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TargetError(
            f"sections={shown(given)}; allowed: {{part: section}}, such as {{'arena': '.dtcm'}}"
        )
    for part, name in given.items():
        one_of("unknown part ", part, PARTS, TargetError)
        _check(part, name)
    if "state" in given and not separate:
        raise TargetError(
            "this trainer chooses what learns, and its state shares the memory of its arena; "
            "leave out the section of 'state'"
        )
    if given.get("weights") in (given.get("arena", ""), given.get("state", "")):
        raise TargetError(
            f"section {given['weights']!r} is to hold constants and variables; give the weights "
            "one of their own"
        )
    return dict(given)


def _check(part: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise TargetError(
            f"section {shown(name)} of '{part}'; allowed: letters, digits and underscores, with "
            f"dots before and between words, at most {_LONGEST} characters, such as '.dtcm'"
        )
    others = _ZEROED if part == "weights" else _CONSTANT
    for other in others:
        if name == other or name.startswith(f"{other}."):
            kind = "constants" if part == "weights" else "variables without a first value"
            raise TargetError(f"section {name!r} cannot hold '{part}': compilers put no {kind} "
                              f"into {other}; choose another name")  # fmt: skip


def attributes(sections: Mapping[str, str]) -> dict[str, str]:
    """The C attribute of each part, empty for what is not placed."""
    made = {part: f'section("{name}")' for part, name in sections.items()}
    if "weights" in made:
        made["weights"] += f", aligned({LINE})"
    return {part: f"__attribute__(({made[part]}))" if part in made else "" for part in PARTS}
