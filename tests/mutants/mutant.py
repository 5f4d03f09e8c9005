"""Planted faults: a text in a file, another one in its place, and the tests that must notice."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).parent / "table"


@dataclass(frozen=True)
class Mutant:
    """why: what is wrong with `new`; tests: words for pytest."""

    area: str
    file: str
    old: str
    new: str
    why: str
    tests: str

    def __str__(self) -> str:
        return f"{self.file.rpartition('/')[2]}: {self.why}"

    def planted(self, text: str) -> str:
        """The file's text with the fault; raises ValueError where the table is stale."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} of {self.old!r}; wanted: 1")
        return text.replace(self.old, self.new)


def mutants(folder: Path = TABLES) -> list[Mutant]:
    """Those of all tables; a key that is missing or unknown raises TypeError."""
    return [
        Mutant(area=path.stem, **{name: text.strip("\n") for name, text in row.items()})
        for path in sorted(folder.glob("*.toml"))
        for row in tomllib.loads(path.read_text())["mutant"]
    ]
