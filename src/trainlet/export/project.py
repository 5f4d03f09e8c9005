"""Reads a written C project: its files, and what its API takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainlet.backends.described import Api, read_api
from trainlet.backends.names import is_prefix
from trainlet.backends.project import PARTS
from trainlet.backends.record import MOST
from trainlet.errors import FileError
from trainlet.ir.files import read_file

DESCRIPTION = ".json"


@dataclass(frozen=True)
class Project:
    """The C files of one trainer, by name, and its API."""

    api: Api
    sources: Mapping[str, bytes]


def read_project(folder: str | Path, prefix: str | None = None) -> Project:
    """The project in a folder.

    prefix: of the trainer, where several are in the folder
    Raises FileError.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder; give what `trainlet compile -o FOLDER` wrote")
    found = [name for name in _prefixes(folder) if prefix in (None, name)]
    if len(found) != 1:
        there = ", ".join(_prefixes(folder)) or "none"
        raise FileError(
            f"{folder} holds {len(found)} trainers{f' {prefix!r}' if prefix else ''}; there are: "
            f"{there}; name one by its prefix, or give what `trainlet compile -o FOLDER` wrote"
        )
    names = [found[0] + part for part in PARTS if part != DESCRIPTION]
    sources = {name: read_file(folder / name, MOST) for name in names}
    api = read_api(folder / f"{found[0]}{DESCRIPTION}")
    if api.prefix != found[0]:
        raise FileError(f"{folder / found[0]}{DESCRIPTION} describes the trainer {api.prefix!r}")
    return Project(api, sources)


def _prefixes(folder: Path) -> list[str]:
    names = {path.name for path in folder.iterdir()}
    found = {name.removesuffix(DESCRIPTION) for name in names if name.endswith(DESCRIPTION)}
    whole = (name for name in found if all(name + part in names for part in PARTS))
    return sorted(name for name in whole if is_prefix(name))
