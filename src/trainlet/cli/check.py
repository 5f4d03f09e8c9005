"""trainlet check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import trainlet as tl
from trainlet.cli.losses import DEFAULT_LOSS, terms_of
from trainlet.cli.options import LossTerms, Net, Scheme, update_scheme
from trainlet.cli.screen import ERR, OUT, print_whole
from trainlet.frontends.losses import objective_of
from trainlet.ir.npz import read_npz
from trainlet.run.dataset import target_keys


def check_command(
    net: Net,
    scheme: Scheme = "full",
    data: Annotated[
        Path | None,
        typer.Option(metavar="NPZ", help="one batch, in arrays x and y (default: random)"),
    ] = None,
    loss: LossTerms = DEFAULT_LOSS,
) -> None:
    """Compare the loss and all trained gradients with torch's autograd."""
    terms = terms_of(loss)
    given: dict[str, Any] = {}
    if data is not None:
        keys = target_keys(dict.fromkeys(term.target for term in objective_of(terms).losses))
        arrays = read_npz(data, ("x", *keys.values()))
        given = {"x": arrays["x"], "y": {name: arrays[key] for name, key in keys.items()}}
    with ERR.status(f"comparing {net}"):
        found = tl.check(net, None, update_scheme(scheme), loss=terms, **given)
    print_whole(found.table())
    if not found.same:
        OUT.print("Trainlet and torch differ: please report the network")
        raise typer.Exit(1)
