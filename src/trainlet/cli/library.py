"""trainlet library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainlet.cli.screen import OUT
from trainlet.life import PARTS, write_library


def library_command(
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="PART..", help="; ".join(f"{name}: {part.what}" for name, part in PARTS.items())
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="where the C files go")
    ],
) -> None:
    """Write C libraries that work beside a trainer: a store of states, old examples, drivers."""
    names = ", ".join(path.name for path in write_library(out, parts))
    OUT.print(f"{names} are in {out}", markup=False, soft_wrap=True)
