"""trainlet check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import trainlet as tl
from trainlet.cli.options import LossName, Net, Scheme, update_scheme
from trainlet.cli.screen import ERR, OUT, print_whole
from trainlet.ir.npz import read_npz


def check_command(
    net: Net,
    scheme: Scheme = "full",
    data: Annotated[
        Path | None,
        typer.Option(metavar="NPZ", help="one batch, in arrays x and y (default: random)"),
    ] = None,
    loss: LossName = "cross_entropy",
) -> None:
    """Compare the loss and all trained gradients with torch's autograd."""
    given = {} if data is None else read_npz(data, ("x", "y"))
    with ERR.status(f"comparing {net}"):
        found = tl.check(net, None, update_scheme(scheme), loss=loss, **given)
    print_whole(found.table())
    if not found.same:
        OUT.print("Trainlet and torch differ: please report the network")
        raise typer.Exit(1)
