"""The folder of a C project: what is written there, and what belongs to the user.

The example and its CMakeLists.txt end with a line that holds a hash of what precedes it.  As long
as it fits, nobody has changed the file, and it is written anew with each program.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trainlet.backends.names import is_prefix
from trainlet.files import check_folder, check_replaceable, filling

EXAMPLE, CMAKE = "main.c", "CMakeLists.txt"
PARTS = (".json", ".h", ".c", "_kernels.h", "_weights.h")
NOTE = "Trainlet rewrites this file while it is unchanged:"
_STAMP = re.compile(rf"(?:/\* |# ){NOTE} ([0-9a-f]{{16}})(?: \*/)?\n")


def check(folder: Path, prefix: str) -> None:
    """Raise FileError if a project with this prefix cannot be written; nothing is left there."""
    check_folder(folder)
    for name in (*(prefix + part for part in PARTS), EXAMPLE, CMAKE):
        check_replaceable(folder / name)


def write(
    folder: Path,
    prefix: str,
    files: Mapping[str, str],
    cmake: Callable[[Sequence[str]], str],
) -> tuple[str, ...]:
    """Write all of the files, or none; returns the names of those that the user changed and that
    therefore stay.

    cmake: CMakeLists.txt for these prefixes, if other trainers are in the folder too.
    """
    kept: list[str] = []
    with filling(folder) as new:
        texts = {**files, CMAKE: cmake([*neighbours(folder, prefix), prefix])}
        for name, text in texts.items():
            if name in (EXAMPLE, CMAKE):
                if _is_the_users(folder / name):
                    kept.append(name)
                    continue
                text = stamped(text, name)
            (new / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(kept)


def neighbours(folder: Path, prefix: str) -> list[str]:
    """The prefixes of other trainers in a folder."""
    names = {path.name for path in folder.iterdir()}
    found = {name.removesuffix(PARTS[-1]) for name in names if name.endswith(PARTS[-1])}
    whole = [q for q in found - {prefix} if all(q + part in names for part in PARTS)]
    return sorted(q for q in whole if is_prefix(q))


def stamped(text: str, name: str) -> str:
    """The text with a last line by which `_is_the_users` knows it."""
    note = f"{NOTE} {_hash(text)}"
    return text + (f"# {note}\n" if name == CMAKE else f"/* {note} */\n")


def _is_the_users(path: Path) -> bool:
    check_replaceable(path)
    if not path.is_file():
        return path.exists()
    text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    *lines, last = text.splitlines(keepends=True) or [""]
    found = _STAMP.fullmatch(last)
    return found is None or found[1] != _hash("".join(lines))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def advice(kept: Sequence[str], folder: Path) -> str:
    """What to tell the user about files that stayed."""
    names = " and ".join(kept)
    return (
        f"{names} in {folder} changed since Trainlet wrote it, and was kept; if it does not fit "
        "the new program, move it away and write the program again"
    )
