"""trainlet compile, trainlet plan."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import trainlet as tl
from trainlet.backends import project
from trainlet.backends.c import write_project
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
from trainlet.cli.losses import DEFAULT_LOSS, terms_of
from trainlet.cli.options import (
    NO_FACTORS,
    Accumulate,
    Adapt,
    AsJson,
    BiasBits,
    Calibration,
    ExtraBits,
    Factors,
    Features,
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
    Prefix,
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
from trainlet.cli.sections import NO_SECTIONS, SectionNames, placed
from trainlet.cli.stages import stages
from trainlet.compiler import STAGES, resolved
from trainlet.errors import TargetError
from trainlet.files import check_file, replacing
from trainlet.frontends.losses import objective_of
from trainlet.frontends.network import import_network, opened
from trainlet.ir.arguments import one_of
from trainlet.ir.text import print_graph
from trainlet.passes.training import STAGES as TRAINING
from trainlet.planning.report import options_table
from trainlet.planning.target import WASM
from trainlet.planning.text import print_plan
from trainlet.progress import stage

WRITTEN = {None: "C project is", WASM: "WebAssembly module is"}
"""What a runtime takes, where it is no models."""
PICTURES = (".svg", ".png")


def compile_command(
    net: Net,
    scheme: Scheme | None = None,
    few_shot: FewShot = False,
    target: Target = "cortex-m7",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the C project")] = Path("out"),
    ram: Ram = None,
    flash: Flash = None,
    optimizer: OptimizerName = "sgd",
    lr: Lr = None,
    factor: Factors = NO_FACTORS,
    loss: LossTerms = DEFAULT_LOSS,
    accumulate: Accumulate = 1,
    prefix: Prefix = "trainer",
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
    features: Features = False,
    adapt: Adapt = None,
    macs: Macs = None,
    share: Share = 0.5,
    depth: Depth = DEPTH,
    criterion: Criterion = "fisher",
    section: SectionNames = NO_SECTIONS,
    stop_after: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE", help=f"print the result of a stage and stop: {', '.join(STAGES)}"
        ),
    ] = None,
) -> None:
    """Compile a network into a C project that can train it."""
    check_choice(scheme, few_shot)
    asked = Request(
        net, scheme, target, ram, flash, optimizer, lr, loss, accumulate, prefix, precision,
        calibration, max_ram, max_recompute, gradient, extra_bits, schedule, stream,
        float_head, rollback, load_twice, stream_input, adapt, factor, features, bias_bits,
        head_bits,
    )  # fmt: skip
    if stop_after is not None:
        typer.echo(stage_text(asked, stop_after), nl=False)
        return
    project.check(out, prefix)
    sections = placed(section)
    if few_shot:
        with stages(f"compiling {net}"):
            choosing = choosing_program(asked, macs, share, depth, criterion)
            table = choosing.report.table()
            stage("write")
            choosing.write(out, sections=sections)
        OUT.print(table)
        OUT.print(f"The C project is in {out}/", markup=False, soft_wrap=True)
        return
    with stages(f"compiling {net}"):
        program = asked.program()
        report = program.report
        stage("write")
        models = program.target.runtime is not None
        if models:
            program.write(out, sections=sections)
            kept = ()
        else:
            kept = write_project(program, out, stack=program.stack, sections=sections)
    OUT.print(report.table())
    written = WRITTEN.get(program.target.runtime, "models are")
    OUT.print(
        f"The {written} in {out}{'' if str(out).endswith('/') else '/'}",
        markup=False,
        soft_wrap=True,
    )
    if kept:
        OUT.print("note: " + project.advice(kept, out), markup=False, soft_wrap=True)


def stage_text(asked: Request, stop_after: str) -> str:
    """What there is after a stage: the graph, after the last one also the graph that applies summed
    gradients; after "place" the plan."""
    one_of("unknown stage ", stop_after, STAGES)
    if stop_after == "place":
        return print_plan(asked.program().plan)
    network, terms = opened(asked.net), terms_of(asked.loss)
    graph = import_network(network, losses=objective_of(terms).losses)
    if stop_after == "load":
        return print_graph(graph)
    if asked.adapt is None:
        scheme = resolved(asked.update_scheme(), graph, network)
        graph = tl.prepare(
            network, precision=asked.arithmetic(), calibration=asked.shown(), scheme=scheme,
            loss=terms,
        )  # fmt: skip
    else:
        scheme, graph = asked.update_scheme(), asked.with_adapters() or graph
    if stop_after == "quantize":
        return print_graph(graph)
    training = tl.train(
        graph,
        scheme,
        loss=terms,
        optimizer=asked.make_optimizer(),
        accumulate=asked.accumulate,
        precision=asked.arithmetic(),
        stop_after=stop_after if stop_after in TRAINING else None,
    )
    step = asked.target_device().lower(training.step)[0] if stop_after == "lower" else training.step
    text = print_graph(step)
    return text if training.apply is None else f"{text}\n{print_graph(training.apply)}"


def check_picture(path: Path | None) -> None:
    """Raise TrainletError if no picture can be drawn there."""
    if path is not None and path.suffix not in PICTURES:
        raise tl.TrainletError(f"cannot draw {path}; allowed: a name that ends in .svg or .png")
    check_file(path)


def _or_what_fits(asked: Request) -> tl.CompiledProgram:
    """The program; if it does not fit, the options that make it fit are shown first."""
    try:
        return asked.program()
    except TargetError as error:
        fitting = error.choices()
        if fitting:
            print_whole(options_table(fitting, "Options with which the program fits"))
        raise


def plan_command(
    net: Net,
    scheme: Scheme,
    target: Target = "cortex-m7",
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
    features: Features = False,
    adapt: Adapt = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="draw memory over time to a .svg or .png file"),
    ] = None,
    choices: Annotated[
        bool,
        typer.Option(
            "--choices", help="list what other options need and which fit (takes minutes)"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the memory and work of a trainer without writing C."""
    check_picture(draw)
    asked = Request(
        net, scheme, target, ram, flash, optimizer, lr, loss, accumulate, precision=precision,
        calibration=calibration, max_ram=max_ram, max_recompute=max_recompute,
        gradient=gradient, extra_bits=extra_bits, bias_bits=bias_bits, head_bits=head_bits,
        schedule=schedule, stream=stream, float_head=float_head, rollback=rollback,
        load_twice=load_twice, stream_input=stream_input, adapt=adapt, factor=factor,
        features=features,
    )  # fmt: skip
    with stages(f"planning {net}"):
        program = asked.program() if not choices else _or_what_fits(asked)
        report = program.report
        if draw is not None:
            from trainlet.pictures.memory import draw_memory  # matplotlib takes long to import

            with replacing(draw) as part:
                draw_memory(report, part)
    if as_json:
        found = report.record()
        if choices:
            with stages("planning other options"):
                found["choices"] = [asdict(choice) for choice in program.choices()]
        typer.echo(json.dumps(found, indent=1))
        return
    OUT.print(report.table())
    if choices:
        with stages("planning other options"):
            gradients, others = report.choices(), program.choices()
        if gradients:
            OUT.print(report.choices_table())
        print_whole(options_table(others, "Other options"))
    if draw is not None:
        OUT.print(f"Memory over time is drawn in {draw}", markup=False, soft_wrap=True)
