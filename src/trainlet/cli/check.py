"""trainlet check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import trainlet as tl
from trainlet.cli.losses import DEFAULT_LOSS, terms_of
from trainlet.cli.options import LossTerms, Net, Scheme, update_scheme
from trainlet.cli.screen import ERR, OUT, print_whole
from trainlet.frontends.archive import read_archive
from trainlet.frontends.losses import objective_of
from trainlet.frontends.torch import input_names
from trainlet.run.dataset import file_keys, read_named


def check_command(
    net: Net,
    scheme: Scheme = "full",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ",
            help="one batch, in arrays x and y, or x_NAME and y_NAME (default: random)",
        ),
    ] = None,
    loss: LossTerms = DEFAULT_LOSS,
) -> None:
    """Compare the loss and all trained gradients with torch's autograd."""
    terms = terms_of(loss)
    given: dict[str, Any] = {}
    if data is not None:
        targets = dict.fromkeys(term.target for term in objective_of(terms).losses)
        inputs = input_names(read_archive(net))
        x, y = read_named(data, file_keys("x", inputs), file_keys("y", targets))
        given = {"x": x, "y": y}
    with ERR.status(f"comparing {net}"):
        found = tl.check(net, None, update_scheme(scheme), loss=terms, **given)
    print_whole(found.table())
    if not found.same:
        OUT.print("Trainlet and torch differ: please report the network")
        raise typer.Exit(1)
