"""The C libraries that work beside a trainer, and writing them into a firmware project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainlet.errors import TargetError
from trainlet.files import check_folder, check_replaceable, filling
from trainlet.ir.arguments import one_of

C = Path(__file__).parent / "c"
EXACT = "trainlet_exact.h"


@dataclass(frozen=True)
class Part:
    """A header and a source file of the same name.

    what: one line of help; needs: other parts whose headers it includes; floats: whether it
    computes with floats, so that its bits need EXACT
    """

    what: str
    needs: tuple[str, ...] = ()
    floats: bool = False


PARTS = {
    "store": Part("keeps a state in Flash across power cuts"),
    "replay": Part("keeps old examples to learn again"),
    "lesson": Part("learns, judges, and rolls back what did not help", floats=True),
    "drift": Part("says when to ask for a label and when to learn", floats=True),
    "listen": Part("keeps a microphone's newest samples, and says when a window is there"),
    "correct": Part("learns a user's correction in one call", ("replay",)),
    "posix": Part("a driver of the store: files of a POSIX system", ("store",)),
    "littlefs": Part("a driver: files of littlefs", ("store",)),
    "zephyr": Part("a driver: entries of Zephyr's ZMS", ("entries",)),
    "esp-idf": Part("a driver: blobs of ESP-IDF's NVS", ("entries",)),
    "entries": Part("sectors made of entries, which zephyr and esp-idf use", ("store",)),
}


def write_library(folder: str | Path, parts: Iterable[str]) -> tuple[Path, ...]:
    """Write the C files of these parts, and of those that they need; returns the files.

    parts: keys of PARTS
    Raises TargetError for an unknown part, FileError where the folder cannot be written; then
    nothing is written.
    """
    names = [one_of("unknown part ", part, PARTS, TargetError) for part in parts]
    files = tuple(dict.fromkeys(file for name in names for file in files_of(name)))
    folder = Path(folder)
    check_folder(folder)
    for file in files:
        check_replaceable(folder / file)
    with filling(folder) as new:
        for file in files:
            (new / file).write_bytes((C / file).read_bytes())
    return tuple(folder / file for file in files)


def files_of(name: str) -> Iterator[str]:
    """The names of the files of a part, after those of the parts that it needs."""
    for needed in PARTS[name].needs:
        yield from files_of(needed)
    if PARTS[name].floats:
        yield EXACT
    yield from (f"trainlet_{name.replace('-', '_')}{end}" for end in (".h", ".c"))
