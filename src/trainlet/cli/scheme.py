"""trainlet scheme."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import trainlet as tl
from trainlet.cli.options import Net
from trainlet.cli.screen import OUT
from trainlet.files import check_file, write_text
from trainlet.passes.presets import PRESETS


def scheme_command(
    net: Net,
    preset: Annotated[str, typer.Argument(help="preset: " + ", ".join(PRESETS))],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="file to write (default: print)"),
    ] = None,
) -> None:
    """Write a preset as a TOML file that you can edit."""
    check_file(out)
    scheme = tl.schemes.preset(preset, tl.load(net))
    if out is None:
        typer.echo(scheme.to_toml(), nl=False)
        return
    write_text(out, scheme.to_toml())
    OUT.print(f"{len(scheme)} parameters learn: {out}", markup=False, soft_wrap=True)
