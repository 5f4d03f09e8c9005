"""trainlet state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainlet.cli.screen import OUT, Commands, print_whole
from trainlet.files import replacing
from trainlet.ir.files import read_file
from trainlet.run.state import convert, describe, fingerprint

Blob = Annotated[Path, typer.Argument(metavar="BLOB", help="saved state, as trainer_save wrote it")]
Project = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="folder of the C project, or PREFIX.json in it")
]

state_app = typer.Typer(cls=Commands, no_args_is_help=True)


@state_app.callback()
def state_group() -> None:
    """Show, check and convert saved states."""


@state_app.command("show")
def show_command(
    blob: Blob,
    project: Annotated[
        Path | None,
        typer.Argument(
            metavar="PROJECT", help="folder of the C project, needed to list the contents"
        ),
    ] = None,
) -> None:
    """Show what a saved state holds."""
    saved = read_file(blob)
    if project is None:
        OUT.print(f"{blob}: a whole state of {len(saved):,} bytes, fingerprint "
                  f"{fingerprint(saved):08x}; name the C project to list its contents",
                  markup=False, soft_wrap=True)  # fmt: skip
        return
    print_whole(describe(saved, project).table())


@state_app.command("check")
def check_command(blob: Blob, project: Project) -> None:
    """Check whether a program accepts a saved state; exit code 1 if not."""
    shown = describe(read_file(blob), project)
    OUT.print(
        f"{project} takes {blob}: {len(shown.leaves)} leaves, fingerprint {shown.fingerprint:08x}",
        markup=False,
        soft_wrap=True,
    )


@state_app.command("convert")
def convert_command(
    blob: Blob,
    old: Annotated[
        Path, typer.Option("--from", metavar="PROJECT", help="project that saved the state")
    ],
    new: Annotated[Path, typer.Option("--to", metavar="PROJECT", help="project that will load it")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="file for the converted state")
    ],
) -> None:
    """Convert a saved state for another program with the same parameters."""
    made = convert(read_file(blob), old, new)
    with replacing(out) as part:
        part.write_bytes(made.blob)
    for note in made.notes:
        OUT.print(f"- {note}", markup=False, soft_wrap=True)
    OUT.print(f"The state for {new} is in {out}", markup=False, soft_wrap=True)
