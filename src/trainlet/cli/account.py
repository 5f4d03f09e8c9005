"""trainlet account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from trainlet.accounting import PUBLISHED, account, published
from trainlet.cli.compile import check_picture
from trainlet.cli.losses import DEFAULT_LOSS
from trainlet.cli.options import (
    AsJson,
    Calibration,
    Flash,
    PrecisionName,
    Ram,
    Request,
    Target,
    update_scheme,
)
from trainlet.cli.screen import OUT, USAGE, print_whole
from trainlet.cli.stages import stages
from trainlet.files import replacing
from trainlet.passes.presets import PRESETS, SCHEMES


def account_command(
    net: Annotated[
        Path | None,
        typer.Argument(metavar="NET", help="network: .pt2 of torch.export.save, .onnx or .tflite"),
    ] = None,
    schemes: Annotated[
        str,
        typer.Option(
            metavar="A,B,..", help=f"presets ({', '.join(SCHEMES)}) and TOML files, with commas"
        ),
    ] = ",".join(PRESETS),
    target: Target = "cortex-m7",
    ram: Ram = None,
    flash: Flash = None,
    precision: PrecisionName = None,
    calibration: Calibration = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="draw the bytes of each scheme to a .svg or .png file"),
    ] = None,
    as_json: AsJson = False,
    table: Annotated[
        str | None,
        typer.Option(
            "--published", metavar="NAME", help=f"instead, a paper's table: {', '.join(PUBLISHED)}"
        ),
    ] = None,
) -> None:
    """Show what each update scheme of a network needs, or a paper's table beside the true bytes."""
    if table is not None and as_json:
        raise USAGE("--json is for a network; a paper's table has no JSON")
    if table is not None and net is None:
        printed = published(table)
        print_whole(printed.table())
        for line in printed.notes:
            OUT.print(line, markup=False, soft_wrap=True)
        return
    if net is None or table is not None:
        raise USAGE("name a network, or --published and one of " + ", ".join(PUBLISHED))
    check_picture(picture)
    asked = Request(
        net, "", target, ram, flash, "sgd", None, DEFAULT_LOSS, 1, precision=precision,
        calibration=calibration,
    )  # fmt: skip
    named = {name: update_scheme(name) for name in schemes.split(",")}
    with stages(f"accounting {net}"):
        found = account(
            net, None, named, target=asked.target_device(), precision=precision,
            calibration=asked.shown(),
        )  # fmt: skip
        if picture is not None:
            from trainlet.pictures.accounts import draw_accounts  # matplotlib takes long to import

            with replacing(picture) as part:
                draw_accounts(found, part)
    if as_json:
        typer.echo(json.dumps(found.record(), indent=1))
        return
    print_whole(found.table())
    if picture is not None:
        OUT.print(f"The bytes are drawn in {picture}", markup=False, soft_wrap=True)
