"""Rows of one task and precision, each kept in a file as soon as it is made."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass
class Rows:
    """head: the settings, in the first line; rows of other settings are no part of the table
    known: what the file holds, by name; a line that was half written is made again
    """

    file: Path
    head: Row
    known: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = self.file.read_text().split("\n")[:-1] if self.file.is_file() else []
        if not lines:
            self.file.write_text(json.dumps(self.head) + "\n")
            return
        if json.loads(lines[0]) != self.head:
            sys.exit(f"{self.file} holds rows of other settings; remove it, or name another folder "
                     "with --build")  # fmt: skip
        self.known = {row["method"]: row for row in map(json.loads, lines[1:])}
        self.file.write_text("".join(line + "\n" for line in lines))

    def row(self, name: str, make: Callable[[], Row]) -> Row:
        """The row of this name, with the CPU seconds that it took."""
        if name not in self.known:
            begun = time.process_time()
            made = {**make(), "method": name}
            made["seconds"] = round(time.process_time() - begun, 1)
            with self.file.open("a") as file:
                file.write(json.dumps(made) + "\n")
            self.known[name] = made
        return self.known[name]
