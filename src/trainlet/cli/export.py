"""trainlet export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainlet.cli.screen import OUT
from trainlet.export import ECOSYSTEMS, About, write_package
from trainlet.life import PARTS


def export_command(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="folder that `trainlet compile -o` wrote")
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="ECOSYSTEM",
            help="; ".join(f"{name}: {one.what}" for name, one in ECOSYSTEMS.items()),
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="the package; must not exist")
    ],
    parts: Annotated[
        str,
        typer.Option("--with", metavar="PART,..", help=f"C libraries to add: {', '.join(PARTS)}"),
    ] = "",
    prefix: Annotated[
        str | None, typer.Option(help="of the trainer, where the project holds several")
    ] = None,
    name: Annotated[str, typer.Option(help="of the package (default: trainlet-PREFIX)")] = "",
    version: Annotated[str, typer.Option(help="of the package")] = "0.1.0",
    author: Annotated[str, typer.Option(help="who publishes it")] = "Trainlet",
    url: Annotated[str, typer.Option(help="the page of the package")] = "",
) -> None:
    """Write a C project as a package for the ecosystem of your firmware."""
    about = About(name, version, author, url)
    wanted = [part.strip() for part in parts.split(",") if part.strip()]
    write_package(project, to, out, parts=wanted, prefix=prefix, about=about)
    OUT.print(f"The package is in {out}; its README.md says how to use it", markup=False,
              soft_wrap=True)  # fmt: skip
    if not url and to in ("arduino", "platformio", "cmsis-pack"):
        OUT.print("note: its url is a placeholder; give --url before you publish it",
                  markup=False, soft_wrap=True)  # fmt: skip
