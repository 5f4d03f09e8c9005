"""trainlet profile."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from trainlet.cli.compile import check_picture
from trainlet.cli.losses import DEFAULT_LOSS
from trainlet.cli.options import (
    NO_FACTORS,
    Accumulate,
    Adapt,
    AsJson,
    BiasBits,
    Calibration,
    ExtraBits,
    Factors,
    Flash,
    FloatHead,
    Gradient,
    HeadBits,
    LoadTwice,
    LossTerms,
    Lr,
    MaxRam,
    MaxRecompute,
    Net,
    OptimizerName,
    PrecisionName,
    Ram,
    Request,
    Rollback,
    Schedule,
    Scheme,
    Stream,
    StreamInput,
    Target,
)
from trainlet.cli.screen import OUT, print_whole
from trainlet.cli.stages import stages
from trainlet.files import replacing
from trainlet.run.profile import MACHINES


def profile_command(
    net: Net,
    scheme: Scheme,
    target: Target = "cortex-m7",
    on: Annotated[
        str | None,
        typer.Option(
            "--on", help=f"emulator: {', '.join(MACHINES)} (default: the one that has the core)"
        ),
    ] = None,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="a row for each call, not for each operation")
    ] = False,
    cycles: Annotated[
        bool,
        typer.Option(
            "--cycles",
            help="also estimate cycles and milliseconds, with llvm-mca "
            "(cortex-m4, cortex-m7, cortex-m33, cortex-m55)",
        ),
    ] = False,
    mhz: Annotated[
        float | None,
        typer.Option(
            "--mhz",
            min=0.001,
            help="the clock for the milliseconds of --cycles (default: that of a common board)",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="draw instructions and memory to a .svg or .png file"),
    ] = None,
    as_json: AsJson = False,
    ram: Ram = None,
    flash: Flash = None,
    optimizer: OptimizerName = "sgd",
    lr: Lr = None,
    factor: Factors = NO_FACTORS,
    loss: LossTerms = DEFAULT_LOSS,
    accumulate: Accumulate = 1,
    precision: PrecisionName = None,
    calibration: Calibration = None,
    gradient: Gradient = None,
    extra_bits: ExtraBits = None,
    bias_bits: BiasBits = None,
    head_bits: HeadBits = None,
    float_head: FloatHead = None,
    rollback: Rollback = True,
    load_twice: LoadTwice = False,
    max_ram: MaxRam = None,
    max_recompute: MaxRecompute = 1.33,
    schedule: Schedule = "greedy",
    stream: Stream = None,
    stream_input: StreamInput = None,
    adapt: Adapt = None,
) -> None:
    """Count the instructions of a training step by operation, on an emulated microcontroller."""
    check_picture(picture)
    asked = Request(
        net, scheme, target, ram, flash, optimizer, lr, loss, accumulate, precision=precision,
        calibration=calibration, max_ram=max_ram, max_recompute=max_recompute,
        gradient=gradient, extra_bits=extra_bits, bias_bits=bias_bits, head_bits=head_bits,
        schedule=schedule, stream=stream, float_head=float_head, rollback=rollback,
        load_twice=load_twice, stream_input=stream_input, adapt=adapt, factor=factor,
    )  # fmt: skip
    with stages(f"counting {net}"):
        profile = asked.program().profile(on, cycles)
        if cycles and mhz:
            profile = replace(profile, mhz=mhz)
        if picture is not None:
            from trainlet.pictures.profile import draw_profile  # matplotlib takes long to import

            with replacing(picture) as part:
                draw_profile(profile, part)
    if as_json:
        typer.echo(json.dumps(profile.record(), indent=1))
        return
    print_whole(profile.table(nodes))
    OUT.print(profile.report.table())
    if picture is not None:
        OUT.print(f"Instructions and memory are drawn in {picture}", markup=False, soft_wrap=True)
