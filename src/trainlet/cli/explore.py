"""trainlet explore."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from trainlet.cli.losses import DEFAULT_LOSS
from trainlet.cli.options import Flash, Ram, Request, Target
from trainlet.cli.screen import OUT, USAGE
from trainlet.cli.stages import stages
from trainlet.files import check_file, write_text


def explore_command(
    net: Annotated[
        Path | None,
        typer.Argument(
            metavar="NET", help="network: .pt2, .onnx or .tflite; default: the bundled spotter"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ",
            help="examples, arrays x and y, for a fleet also person; each fourth is a test",
        ),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="show what each layer gains, of a file of `trainlet search`"
        ),
    ] = None,
    target: Target = "cortex-m7",
    ram: Ram = None,
    flash: Flash = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="open the page in a browser")
    ] = True,
    lesson: Annotated[
        bool, typer.Option("--lesson", help="write a page of the bundled networks for use offline")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="of --lesson")] = Path(
        "lesson.html"
    ),
) -> None:
    """Open a page that shows what a network needs to learn, layer by layer."""
    if lesson:
        if (net, data, measured) != (None, None, None):
            raise USAGE("--lesson shows the bundled networks and their records; leave NET, --data "
                        "and --measured out")  # fmt: skip
        _write_lesson(out)
        return
    from trainlet.explorer.contributions import contributions
    from trainlet.explorer.explored import Source
    from trainlet.explorer.serve import Server
    from trainlet.explorer.work import Service, unwatched

    asked = Request(net or Path(), "", target, ram, flash, "sgd", None, DEFAULT_LOSS, 1)
    with stages(f"reading {net or 'the bundled network'}"):
        service = Service(Source(net, data, asked.target_device(), measured=measured))
        unwatched()
    try:
        if measured is not None:
            contributions(service.explored)  # a file of another network is refused here
        with Server(service, port) as server:
            OUT.print(f"The explorer is at {server.url} (Ctrl-C ends it)", markup=False)
            if browser:
                webbrowser.open(server.url)
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        service.close()


def _write_lesson(out: Path) -> None:
    from trainlet.explorer.lesson import lesson
    from trainlet.explorer.page import page

    check_file(out)
    with stages("planning the lesson"):
        write_text(out, page(lesson()))
    OUT.print(f"The lesson is in {out}", markup=False, soft_wrap=True)
