"""trainlet run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import trainlet as tl
from trainlet.cli.compile import check_picture
from trainlet.cli.few_shot import (
    DEPTH,
    Criterion,
    Depth,
    FewShot,
    Macs,
    Share,
    check_choice,
    choosing_program,
)
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
    LossTerms,
    Lr,
    Net,
    On,
    OptimizerName,
    PrecisionName,
    Ram,
    Request,
    Rollback,
    Scheme,
    Target,
)
from trainlet.cli.screen import ERR, OUT, bars, watch
from trainlet.cli.stages import stages
from trainlet.files import check_file, replacing
from trainlet.interrupt import interrupt_afterwards
from trainlet.ir.files import read_file
from trainlet.run.checkpoint import Checkpoint, Lesson, Saved, parts_of
from trainlet.run.choosing import ChoosingTrainer
from trainlet.run.dataset import Dataset, read_dataset
from trainlet.run.fit import BatchProgress, observe, score, steps_in
from trainlet.run.trainer import Trainer


def run_command(
    net: Net,
    data: Annotated[
        Path,
        typer.Option(
            metavar="NPZ", help="training examples, in arrays x and y, or x_NAME and y_NAME"
        ),
    ],
    scheme: Scheme | None = None,
    few_shot: FewShot = False,
    target: Target = "cortex-m7",
    test: Annotated[
        Path | None, typer.Option(metavar="NPZ", help="test examples (default: --data)")
    ] = None,
    on: On = "host",
    epochs: Annotated[int, typer.Option(min=0, help="passes over the data; 0 only measures")] = 1,
    lr: Lr = None,
    factor: Factors = NO_FACTORS,
    load: Annotated[
        Path | None, typer.Option(metavar="FILE", help="start from a saved state")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="save the trained state; an interrupted run can be continued"
        ),
    ] = None,
    checkpoint: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="with --save: time between checkpoints")
    ] = 5,
    restart: Annotated[
        bool, typer.Option("--restart", help="ignore a checkpoint and start again")
    ] = False,
    teach: Annotated[
        bool,
        typer.Option(
            "--observe", help="first add each training example to the prototype of its class"
        ),
    ] = False,
    ram: Ram = None,
    flash: Flash = None,
    optimizer: OptimizerName = "sgd",
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
    adapt: Adapt = None,
    macs: Macs = None,
    share: Share = 0.5,
    depth: Depth = DEPTH,
    criterion: Criterion = "fisher",
    seed: Annotated[int, typer.Option(min=0, help="seed for the order of the examples")] = 0,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="draw the loss of each step to a .svg or .png file"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train and test on data files, on this machine or an emulated microcontroller."""
    asked = Request(
        net, scheme, target, ram, flash, optimizer, lr, loss, accumulate, precision=precision,
        calibration=calibration, gradient=gradient, extra_bits=extra_bits,
        bias_bits=bias_bits, head_bits=head_bits, float_head=float_head, rollback=rollback,
        adapt=adapt, factor=factor,
    )  # fmt: skip
    check_choice(scheme, few_shot)
    check_file(save)
    check_picture(picture)
    beside = ERR if as_json else OUT
    with stages(f"compiling {net} for {on}"):
        made = (
            choosing_program(asked, macs, share, depth, criterion) if few_shot else asked.program()
        )
        program = made if isinstance(made, tl.CompiledProgram) else made.choice.measure
        learn = read_dataset(data, program)
        measure = learn if test is None else read_dataset(test, program)
        trainer = made.build(on)
    with trainer:
        if load is not None:
            trainer.load(read_file(load))
        taught: list[BatchProgress] = []
        if teach or (few_shot and load is None):
            with bars(beside) as progress:
                taught = watch(progress, "observe", observe(trainer, learn))
        if isinstance(trainer, ChoosingTrainer):
            _choose(trainer, learn, beside)
        keeper = None
        if save is not None:
            keeper = Checkpoint(save, parts_of(program, learn, measure, seed), trainer.save())
            if restart:
                keeper.remove()
        with bars(beside) as progress:
            begun = _begun(progress, trainer, measure, keeper, steps_in(trainer, learn, epochs))
            lesson = Lesson(trainer, learn, epochs, seed, begun, keeper, checkpoint, _note)
            steps = _learn(progress, lesson, save)
            before = after = BatchProgress(0, 0, *begun.before, None)
            if epochs:
                after = watch(progress, "measure", score(trainer, measure))[-1]
        if keeper is not None:
            keeper.remove()
        stack = trainer.device.stack_used()
    if picture is not None:
        from trainlet.pictures.loss import draw_losses  # matplotlib takes long to import

        title = f"{len(learn):,} examples of {data}, on {on}"
        losses = [step.loss for step in steps]
        with replacing(picture) as part:
            draw_losses(losses, lesson.total // max(epochs, 1), part, title, begun.step + 1)
    if as_json:
        found = _record(on, measure, before, after, taught, steps, stack)
        typer.echo(json.dumps(found, indent=1))
        return
    title = f"{len(measure):,} examples of {test or data}, on {on}:"
    OUT.print(title, markup=False, soft_wrap=True)
    OUT.print(_table(before, after))
    if taught and taught[-1].instructions is not None:
        OUT.print(f"{taught[-1].instructions:,} instructions to observe an example")
    if steps and steps[-1].instructions is not None:
        OUT.print(f"{steps[-1].instructions:,} instructions a training step")
        OUT.print(f"{after.instructions:,} instructions a prediction")
        OUT.print(f"{stack:,} bytes of stack used")
    if picture is not None:
        OUT.print(f"The losses are drawn in {picture}", markup=False, soft_wrap=True)
    if save is not None:
        OUT.print(f"The learnt state is in {save}", markup=False, soft_wrap=True)


def _record(
    on: str,
    measure: Dataset,
    before: BatchProgress,
    after: BatchProgress,
    taught: list[BatchProgress],
    steps: list[BatchProgress],
    stack: int | None,
) -> dict[str, object]:
    """What came out, as JSON data; instructions and stack only where an emulator counts them."""
    counted = bool(steps) and steps[-1].instructions is not None
    return {
        "on": on,
        "test_examples": len(measure),
        "before": {"loss": before.loss, "accuracy": before.accuracy},
        "after": {"loss": after.loss, "accuracy": after.accuracy},
        "losses": [step.loss for step in steps],
        "instructions_observe": taught[-1].instructions if taught else None,
        "instructions_step": steps[-1].instructions if counted else None,
        "instructions_predict": after.instructions if counted else None,
        "stack_bytes": stack if counted else None,
    }


def _choose(trainer: ChoosingTrainer, learn: Dataset, beside: Console) -> None:
    """Measure the examples and select what learns; a loaded state may have selected already."""
    if not trainer.selected():
        with bars(beside) as progress:
            watch(progress, "measure", observe(trainer, learn, trainer.measure))
        trainer.select()
    for name, channels in trainer.selected().items():
        _note(f"{name} learns in {len(channels)} channels")


def _begun(
    progress: Progress, trainer: Trainer, measure: Dataset, keeper: Checkpoint | None, total: int
) -> Saved:
    """Where to go on: at a checkpoint if there is one, else at the start, after a measure of it."""
    found = None if keeper is None else keeper.read(total)
    if found is None:
        before = watch(progress, "measure", score(trainer, measure))[-1]
        return Saved(0, b"", (before.loss, before.accuracy))
    trainer.load(found.state)
    _note(f"continuing after step {found.step:,} of {total:,}")
    return found


def _learn(progress: Progress, lesson: Lesson, save: Path | None) -> list[BatchProgress]:
    """The steps; what was learnt is in `save` then, also after Ctrl-C."""
    try:
        steps = watch(progress, "learn", lesson.moments()) if lesson.total else []
    except KeyboardInterrupt:
        with interrupt_afterwards():
            _keep(lesson, save)
        raise
    if save is not None:
        lesson.write(save)
    return steps


def _keep(lesson: Lesson, save: Path | None) -> None:
    far = f"{lesson.done:,} of {lesson.total:,} steps are done"
    if save is None:
        _note(f"{far}, and lost; use --save FILE to keep them")
    elif lesson.done:
        lesson.keep()
        lesson.write(save)
        _note(f"{far} and saved in {save}; the same command continues from there")


def _note(said: str) -> None:
    ERR.print(said, markup=False, soft_wrap=True)


def _table(before: BatchProgress, after: BatchProgress) -> Table:
    moments = [before] if after is before else [before, after]
    table = Table("", *["before", "after"][: len(moments)])
    for column in table.columns[1:]:
        column.justify = "right"
    if before.accuracy is not None:
        table.add_row("accuracy", *(f"{m.accuracy:.1%}" for m in moments))
    table.add_row("loss", *(f"{m.loss:.4g}" for m in moments))
    return table
