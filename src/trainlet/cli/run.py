"""trainlet run."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from trainlet.cli.options import (
    Accumulate,
    Calibration,
    ExtraBits,
    Flash,
    FloatHead,
    Gradient,
    LossName,
    Lr,
    Net,
    On,
    OptimizerName,
    PrecisionName,
    Ram,
    Request,
    Scheme,
    Target,
)
from trainlet.cli.screen import ERR, OUT, bars, watch
from trainlet.files import check_file, replacing
from trainlet.ir.files import read_file
from trainlet.run.dataset import Dataset, read_dataset
from trainlet.run.fit import Moment, fit, score
from trainlet.run.trainer import Trainer


def run_command(
    net: Net,
    scheme: Scheme,
    data: Annotated[Path, typer.Option(metavar="NPZ", help="examples to learn: arrays x and y")],
    target: Target = "cortex-m7",
    test: Annotated[
        Path | None, typer.Option(metavar="NPZ", help="examples to measure with (default: --data)")
    ] = None,
    on: On = "host",
    epochs: Annotated[int, typer.Option(min=0, help="0 only measures")] = 1,
    lr: Lr = None,
    load: Annotated[
        Path | None, typer.Option(metavar="FILE", help="start from a saved state")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="save the learnt state")] = None,
    ram: Ram = None,
    flash: Flash = None,
    optimizer: OptimizerName = "sgd",
    loss: LossName = "cross_entropy",
    accumulate: Accumulate = 1,
    precision: PrecisionName = None,
    calibration: Calibration = None,
    gradient: Gradient = None,
    extra_bits: ExtraBits = None,
    float_head: FloatHead = None,
    seed: Annotated[int, typer.Option(min=0, help="of the order of the examples")] = 0,
) -> None:
    """Train and measure on data files, on this machine or an emulated microcontroller."""
    asked = Request(
        net, scheme, target, ram, flash, optimizer, lr, loss, accumulate, precision=precision,
        calibration=calibration, gradient=gradient, extra_bits=extra_bits,
        float_head=float_head,
    )  # fmt: skip
    check_file(save)
    with ERR.status(f"compiling {net} for {on}"):
        program = asked.program()
        learn = read_dataset(data, program)
        measure = learn if test is None else read_dataset(test, program)
        trainer = program.build(on)
    with trainer, nullcontext() if save is None else replacing(save) as part:
        if load is not None:
            trainer.load(read_file(load))
        before, after, steps = _train(trainer, learn, measure, epochs, seed)
        if part is not None:
            part.write_bytes(trainer.save())
        stack = trainer.device.stack_used()
    title = f"{len(measure):,} examples of {test or data}, on {on}:"
    OUT.print(title, markup=False, soft_wrap=True)
    OUT.print(_table(before, after))
    if steps and steps[-1].instructions is not None:
        OUT.print(f"{steps[-1].instructions:,} instructions a training step")
        OUT.print(f"{after.instructions:,} instructions a prediction")
        OUT.print(f"{stack:,} bytes of stack used")
    if save is not None:
        OUT.print(f"The learnt state is in {save}", markup=False, soft_wrap=True)


def _train(
    trainer: Trainer, learn: Dataset, measure: Dataset, epochs: int, seed: int
) -> tuple[Moment, Moment, list[Moment]]:
    """The measures before and after, and the steps in between."""
    with bars() as progress:
        before = watch(progress, "measure", score(trainer, measure))[-1]
        if not epochs:
            return before, before, []
        steps = watch(progress, "learn", fit(trainer, learn, epochs, seed=seed))
        return before, watch(progress, "measure", score(trainer, measure))[-1], steps


def _table(before: Moment, after: Moment) -> Table:
    moments = [before] if after is before else [before, after]
    table = Table("", *["before", "after"][: len(moments)])
    for column in table.columns[1:]:
        column.justify = "right"
    if before.accuracy is not None:
        table.add_row("accuracy", *(f"{m.accuracy:.1%}" for m in moments))
    table.add_row("loss", *(f"{m.loss:.4g}" for m in moments))
    return table
