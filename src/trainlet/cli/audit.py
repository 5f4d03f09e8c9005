"""trainlet audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import trainlet as tl
from trainlet.cli.adapters import adapted
from trainlet.cli.losses import DEFAULT_LOSS
from trainlet.cli.options import (
    Adapt,
    Calibration,
    Gradient,
    Net,
    PrecisionName,
    Request,
    Scheme,
    update_scheme,
)
from trainlet.cli.screen import OUT, print_whole
from trainlet.cli.stages import stages
from trainlet.errors import TrainletError
from trainlet.files import filling
from trainlet.ir.npz import read_npz
from trainlet.privacy.audit import ATTACKS, DEFAULT


def audit_command(
    net: Net,
    data: Annotated[
        Path, typer.Option(metavar="NPZ", help="examples to recover, in arrays x and y")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="rows.json, reconstructions.png")
    ],
    scheme: Scheme = "full",
    share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEPS",
            help="what is sent: none, fp16, int8, sign, noise:0.1, laplace:0.1, prune:0.2, "
            "topk:0.01, clip:1.0, dp:1.1, joined by commas; may be repeated (default: none)",
        ),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(ATTACKS)}; may be repeated (default: {', '.join(DEFAULT)})"),
    ] = None,
    public: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ",
            help="other examples of the same kind, in an array x, which attackers have",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="so many, the first of the file")] = 4,
    restarts: Annotated[int, typer.Option(min=1, help="of each attack")] = 1,
    iterations: Annotated[int, typer.Option(min=1, help="of each restart")] = 600,
    local_steps: Annotated[
        int, typer.Option(min=1, help="a message is the sum of the gradients of so many steps")
    ] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="messages about each example")] = 1,
    feedback: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="what a device carries from one round to the next: fleet (what a fleet's message "
            "leaves out), none, or dgc:0.9 (Deep Gradient Compression with this momentum)",
        ),
    ] = "fleet",
    lr: Annotated[float, typer.Option(help="of local steps, and of the server's")] = 0.01,
    low: Annotated[
        float | None, typer.Option(help="smallest value of an input (default: of the examples)")
    ] = None,
    high: Annotated[
        float | None, typer.Option(help="largest value of an input (default: of the examples)")
    ] = None,
    naive: Annotated[
        bool,
        typer.Option("--naive/--no-naive", help="attack also without knowing what is left out"),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="of noise and restarts")] = 0,
    adapt: Adapt = None,
    precision: PrecisionName = None,
    calibration: Calibration = None,
    gradient: Gradient = None,
) -> None:
    """Show what attackers recover of the training data from the gradients that a device sends."""
    arrays = read_npz(data, ["x", "y"])
    x, y = arrays["x"][:examples], arrays["y"][:examples]
    least, most = (x.min() if low is None else low), (x.max() if high is None else high)
    if not least < most:
        raise TrainletError(f"the inputs lie in {least}..{most}; allowed: --low below --high")
    asked = Request(
        net, scheme, "cortex-m7", None, None, "sgd", None, DEFAULT_LOSS, 1, precision=precision,
        calibration=calibration, gradient=gradient,
    )  # fmt: skip
    shares = share or ["none"]
    with stages(f"auditing {net}"):
        graph = tl.prepare(
            net, precision=asked.arithmetic(), calibration=asked.shown(),
            scheme=update_scheme(scheme) if adapt is None else None, loss="cross_entropy",
        )  # fmt: skip
        found = tl.audit(
            adapted(graph, adapt) if adapt else graph, None, update_scheme(scheme), x=x, y=y,
            shares=shares, attacks=attack or DEFAULT, restarts=restarts, iterations=iterations,
            public=None if public is None else read_npz(public, ["x"])["x"],
            bounds=(float(least), float(most)), naive=naive, seed=seed,
            local_steps=local_steps, rounds=rounds, lr=lr, feedback=feedback,
            precision=asked.arithmetic() if precision else None,
        )  # fmt: skip
        verdicts = [found.verdict(text) for text in dict.fromkeys(r.share for r in found.rows)]
        with filling(out) as folder:
            from trainlet.pictures.reconstructions import draw_reconstructions

            draw_reconstructions(found, folder / "reconstructions.png")
            kept = {"network": net.name, "scheme": scheme, "verdicts": verdicts}
            text = json.dumps({**kept, "rows": found.records()}, indent=1)
            (folder / "rows.json").write_text(text, encoding="utf-8")
            np.savez(folder / "recovered.npz", x=found.recovered, truth=found.truth)
    print_whole(found.table())
    for line in verdicts:
        OUT.print(line, markup=False, soft_wrap=True)
    OUT.print(f"Rows and pictures are in {out}", markup=False, soft_wrap=True)
