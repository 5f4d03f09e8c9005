"""The pipeline, a line a stage: a model, an update scheme and a target become a program."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.export import ExportedProgram

from trainlet.arguments import (
    bytes_of,
    check_choices,
    check_model,
    optimizer_of,
    scheme_of,
    target_of,
)
from trainlet.backends import project
from trainlet.backends.c import write_project
from trainlet.backends.choices import Asked, Options
from trainlet.backends.costs import costs
from trainlet.backends.feasible import check_forward, check_training, least_needed
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.limits import Limits, check_fits, fit_program
from trainlet.backends.names import check_prefix
from trainlet.backends.program import LOGITS, LOSS, Program, Stage
from trainlet.backends.target import Target
from trainlet.errors import SchemeError, TargetError, ToolchainError, TrainletError, shown
from trainlet.frontends.archive import read_archive
from trainlet.frontends.calibration import example_inputs as float_inputs
from trainlet.frontends.losses import loss_of
from trainlet.frontends.network import import_exported, import_module, load
from trainlet.frontends.quantized import Network, check_calibration, integer_precision
from trainlet.frontends.sizes import check_graph, check_module, check_program
from trainlet.frontends.variants import Variants
from trainlet.ir.arguments import one_of, whole
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import to_device
from trainlet.ops.loss import Loss
from trainlet.ops.optimizer import SGD, Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes.differentiate import differentiate
from trainlet.passes.extra_bits import add_extra_bits
from trainlet.passes.fold import fold_batch_norm
from trainlet.passes.freeze import fold_constants, freeze
from trainlet.passes.fuse.chains import fuse_chains
from trainlet.passes.fuse.lookups import fuse_lookups
from trainlet.passes.fuse.updates import copy_weights, fuse_updates
from trainlet.passes.fuse.widened import keep_bytes
from trainlet.passes.integer_input import integer_inputs
from trainlet.passes.layout import channels_last
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.merged import settle
from trainlet.passes.presets import PRESETS, choose, graph_parameters
from trainlet.passes.prune import prune
from trainlet.passes.resolve import resolve
from trainlet.passes.split import split_weights
from trainlet.passes.update import Training, attach_updates
from trainlet.plan.order.best_order import find_order
from trainlet.plan.order.schedule import Order
from trainlet.plan.place import plan_apply, plan_graph
from trainlet.plan.plan import Plan
from trainlet.plan.report import Choice, Report
from trainlet.plan.tiles.stream import check_rows, streamed_input
from trainlet.plan.tiles.tiled import plan_in_tiles
from trainlet.progress import stage
from trainlet.run.counted import Profile
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.profile import profile
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer, build_trainer, input_arrays

Model = Network | str | Path
Scheme = UpdateScheme | Mapping[str, float] | str
MOST_SUMMED = 2**24
"""Steps whose gradients make one update; 1 / n of each is a number of float32."""
STAGES = ("load", "freeze", "layout", "fold", "differentiate", "prune", "split", "update", "fuse")


@dataclass(frozen=True)
class CompiledProgram(Program):
    """A program, and what a user does with it.

    precision: how it computes in int8; None in float32.  options: other programs of the network.
    folded: a parameter that the scheme names -> the one that it became part of, and learns with.
    """

    precision: Int8 | None = None
    options: Options | None = field(default=None, repr=False, compare=False)
    folded: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def report(self) -> Report:
        """Memory, Flash and work; stack and Flash are measured by compiling the firmware."""
        firmware = self.firmware
        params = sum(n.type.nbytes for n in self.params)
        return Report(
            target=self.target.name,
            arena_bytes=self.arena_bytes,
            lower_bound_bytes=max(stage.plan.lower_bound for stage in self.stages),
            every_order_bytes=self._every_order(),
            parameter_bytes=params,
            state_bytes=self.state_bytes - params,
            saved_bytes=self.saved_bytes,
            constant_bytes=self.constant_bytes,
            macs_forward=self.macs_forward,
            macs_backward=self.macs_backward,
            macs_recomputed=self.macs_recomputed,
            recompute_won_bytes=self._won(),
            stack_bytes=firmware.stack_bytes if firmware else None,
            flash_bytes=firmware.flash_bytes if firmware else None,
            ram_limit=self.target.ram,
            flash_limit=self.target.flash,
            plan=self.plan,
            costs=costs(self),
            alternatives=self._choices,
            folded=self.folded,
        )

    def _choices(self) -> tuple[Choice, ...]:
        """What other gradients and extra bits would take; nothing in float32."""
        return self.options.gradients() if self.options else ()

    def choices(self) -> tuple[Choice, ...]:
        """What each other option that needs less would take, each planned anew."""
        return self.options.single() if self.options else ()

    def write(self, folder: str | Path) -> Path:
        """Write the C project; all of its files, or none.

        An example file (main.c, CMakeLists.txt) that somebody changed stays as it is, with a
        warning.  Raises FileError when the folder cannot be written.
        """
        project.check(Path(folder), self.prefix)
        if kept := write_project(self, Path(folder), stack=self.stack):
            warnings.warn(project.advice(kept, Path(folder)), stacklevel=2)
        return Path(folder)

    def build(self, device: str = "host", count: bool = True) -> Trainer:
        """Compile and start it on "host", "sanitized" (host with ASan and UBSan), "unicorn" or
        "qemu"; `count=False` emulates faster and counts no instructions."""
        return build_trainer(self, device, count)

    def profile(self, device: str | None = None) -> Profile:
        """Where the instructions and the bytes of a step go, counted on "unicorn" or "qemu" (None:
        the first of them that knows the core)."""
        return profile(self, self.report, device)

    def _won(self) -> int:
        return self.recomputation.arena_without - self.plan.arena if self.recomputation else 0

    def _every_order(self) -> int | None:
        known = [plan.every_order for plan in (stage.plan for stage in self.stages)]
        bounds = [bound for bound in known if bound is not None]
        return max(bounds) if len(bounds) == len(known) else None

    @cached_property
    def stack(self) -> int | None:
        """Bytes of a call's worst case; None where nothing can measure it."""
        try:
            return self.firmware.stack_bytes if self.firmware else None
        except (ToolchainError, TargetError):
            return None

    @cached_property
    def firmware(self) -> Firmware | None:
        """What the project is as firmware, measured; None on this machine."""
        if self.target.cpu is None:
            return None
        stage("measure")
        with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
            sources = Path(work) / self.prefix
            write_project(self, sources)
            return build_firmware(sources, self.interface, self.target, Path(work) / "elf")


def forward(graph: Graph, x: ArrayLike | Mapping[str, ArrayLike]) -> np.ndarray:
    """The network's output for one batch, computed by the oracle, as the graph has it: integers
    for a network whose output is quantised.

    x: one array, or one for each input by name, in the layout of the user's model.
    """
    if not isinstance(graph, Graph):
        raise TrainletError(f"graph is {shown(graph)}; allowed: what trainlet.load returns")
    inputs = graph.leaves("input")
    given = x if isinstance(x, Mapping) else {inputs[0].name: x}
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    leaves |= input_arrays(inputs, given)
    return evaluate_graph(graph, leaves)[LOGITS]


def import_model(
    model: Model,
    example_inputs: Any = None,
    check: bool = False,
    admit: Callable[[Graph], object] = verify,
) -> Graph:
    """The forward graph of whatever `compile` takes as a model; `check` compares it with torch.

    admit: called with the graph before it is compared; raises what it does not admit
    """
    if isinstance(model, Graph):
        admit(model)
        return model
    if isinstance(model, (str, Path)):
        return load(model, check=check)
    if isinstance(model, ExportedProgram):
        return import_exported(model, check, admit)
    if not isinstance(model, torch.nn.Module):
        raise TrainletError(
            f"the model is a {type(model).__name__}; allowed: a torch.nn.Module, an "
            "ExportedProgram, the path of a .pt2 file, or what trainlet.load returns"
        )
    return import_module(model, float_inputs(example_inputs), check, admit)


def training_graph(
    model: Model,
    example_inputs: Any,
    scheme: Scheme,
    loss: Loss | str = "cross_entropy",
    optimizer: Optimizer | None = None,
    accumulate: int = 1,
    stop_after: str | None = None,
    precision: Int8 | None = None,
    known: Collection[str] | None = None,
) -> Training:
    """All stages up to the graphs that a backend takes; `stop_after` names the last to run.

    known: the names of all parameters of the model, for messages and presets.
    """
    criterion, scheme = loss_of(loss), scheme_of(scheme)
    if stop_after not in (None, *STAGES):
        raise TrainletError(f"no stage {stop_after!r}; allowed: {', '.join(STAGES)}")
    stage("load")
    graph = verify(distinct_names(import_model(model, example_inputs)))
    settled = settle(graph, _chosen(scheme, graph))
    graph, chosen = settled.graph, resolve(settled.scheme, settled.graph, known)
    gradient = precision.gradient if precision else "float32"
    stages = {
        "load": lambda g: g,
        "freeze": lambda g: freeze(g, _some(chosen)),
        "layout": lambda g: channels_last(integer_inputs(g)),
        "fold": lambda g: fold_constants(fold_batch_norm(g)),
        "differentiate": lambda g: differentiate(_with_loss(g, criterion), gradient=gradient),
        "prune": lambda g: fold_constants(prune(g, chosen)),
        "split": split_weights,
    }
    for name, run in stages.items():
        stage(name)
        graph = verify(run(graph))
        if name == stop_after:
            return Training(graph)
    stage("update")
    graph = add_extra_bits(graph, precision.extra_bits if precision else 0)
    training = attach_updates(graph, optimizer or SGD(), accumulate, precision)
    if stop_after == "update":
        return replace(training, step=verify(training.step))
    stage("fuse")
    return replace(training, step=verify(_fused(training.step)), folded=settled.folded)


def compile(
    model: Model,
    example_inputs: Any = None,
    scheme: Scheme | None = None,
    *,
    target: str | Target = "cortex-m7",
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    loss: Loss | str = "cross_entropy",
    optimizer: Optimizer | None = None,
    accumulate: int = 1,
    prefix: str = "trainer",
    tile: bool | None = None,
    stream: bool | str = False,
    max_ram: int | None = None,
    max_recompute: float | None = 1.33,
    schedule: str = "greedy",
    rollback: bool = True,
    check: bool = True,
) -> CompiledProgram:
    """Compile a pretrained network into a trainer.

    model: a torch.nn.Module (with `example_inputs`, one tensor or a tuple, whose batch size is
    the trainer's), an ExportedProgram, a .pt2 file, or what `load` returns.
    scheme: which parameters learn, with which share of their input channels; or a preset's name.
    target: a preset's name (`trainlet targets`) or a Target.
    precision: "float32", or "int8" (an Int8 says how): real integers forward, updates with
    quantisation-aware scaling; `calibration` batches show a float network's ranges.  None is what
    the network is: "int8" of an int8 .tflite file or backbone, else "float32".
    loss: "cross_entropy" (int labels), "mse", "bce", "bce_with_logits", or a Loss.
    accumulate: gradients of so many steps are averaged before the parameters change.
    tile: whether maps too large for the arena exist only a few rows at a time; by default where
    the target's RAM is limited, and where that lowers the arena.  The results are the same bit for
    bit; True is refused where no operation runs on rows.
    stream: whether the first input comes in rows through a callback, and is never there as a whole;
    the name of an input: that one does.  Refused where something reads the input as a whole.
    prefix: begins all names of the C; small letters, digits and single underscores.
    max_ram: bytes that the program may use, at most the target's RAM (the default).  Where it needs
    more, parts of the forward pass run again in the backward pass instead of being kept; the
    results are the same bit for bit.
    max_recompute: a step may then have so many times the multiply-accumulates; None never
    recomputes.
    schedule: "greedy" improves the greedy order where it is highest; "optimal" searches on until
    no order is better, or for so long, also with OR-Tools where they are installed.
    rollback: whether a step whose update overflows, and a load whose reader fails or lies, change
    nothing.  Old values need room in the arena, most of it free at that time, and so does a state
    that is loaded.  Without, both say so and the state is lost; a load verifies the blob's checksum
    before it begins.

    check: whether the imported network is compared with torch on the example and on random inputs,
    operator by operator; in int8 also what it is quantised to.

    Raises a TrainletError: UnsupportedError, SchemeError, DataError, FileError, or TargetError
    when the target is too small.
    """
    accumulate = whole("accumulate", accumulate, 1, MOST_SUMMED)
    check_choices(tile, stream, max_recompute, schedule, rollback)
    check_prefix(prefix)
    scheme, criterion, optimizer = scheme_of(scheme), loss_of(loss), optimizer_of(optimizer)
    if precision is not None and not isinstance(precision, Int8):
        one_of("precision ", precision, ("float32", "int8"), also=", or an Int8")
    place, max_ram = target_of(target), bytes_of("max_ram", max_ram)
    network = _opened(model)
    integer = integer_precision(precision, network)
    check_calibration(network, integer, calibration)
    limits = Limits.of(place, max_ram)

    def admit(graph: Graph) -> None:
        check_forward(verify(distinct_names(graph)), place, limits, stream)

    # what is wrong in float32 is wrong in integers
    graph, known = import_model(network, example_inputs, check, admit), parameter_names(network)
    scheme = _chosen(scheme, graph)
    if not isinstance(network, Graph):
        scheme = resolve(scheme, distinct_names(graph), known)
    asked = Asked(scheme, integer, optimizer, accumulate, stream, max_recompute, rollback=rollback)
    planner = partial(_plan, target=place, tile=tile, effort=schedule)
    example = () if example_inputs is None else float_inputs(example_inputs)
    graphs = Variants(
        network, graph, example, calibration, criterion.name,
        partial(import_model, network), check,
    )  # fmt: skip
    presets = {name: choose(name, graph_parameters(graph)) for name in PRESETS}

    def training(asked: Asked) -> Training:
        forward = graphs.forward(asked.precision, asked.batch, asked.scheme.ratios)
        return training_graph(
            forward, None, asked.scheme, criterion, asked.optimizer, asked.accumulate,
            precision=asked.precision, known=known,
        )  # fmt: skip

    def program(asked: Asked) -> CompiledProgram:
        made = training(asked)
        check_training(made, place, limits, asked.stream, options.hints, options.fitting)
        streaming = partial(planner, stream=asked.stream, rollback=asked.rollback)
        step, plan = _planned(made.step, streaming)
        found = _program(
            replace(made, step=step), plan, place, asked.optimizer, asked.accumulate, prefix,
            asked.rollback,
        )  # fmt: skip
        return fit_program(found, limits, asked.max_recompute, streaming)

    def least(asked: Asked) -> tuple[int, int]:
        return least_needed(training(asked), place, asked.stream)

    options = Options(
        asked, limits, least, program,
        presets, graphs.batch, isinstance(network, (torch.nn.Module, ExportedProgram)),
    )  # fmt: skip
    wanted = program(asked)
    check_fits(wanted, limits, options.hints, options.fitting)
    return replace(wanted, precision=integer, options=options)


def _opened(model: Model) -> Network:
    if isinstance(model, (str, Path)):
        path = Path(model)
        return read_archive(path) if path.suffix == ".pt2" else load(path)
    if isinstance(model, Graph):
        return check_graph(model)
    if isinstance(model, ExportedProgram):
        return check_program(model)
    return check_module(check_model(model))


def parameter_names(model: Network) -> Collection[str] | None:
    """All parameters of a model, shared ones by each of their names; None if it does not tell."""
    if isinstance(model, torch.nn.Module):
        return {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return set(model.state_dict) if isinstance(model, ExportedProgram) else None


def _chosen(scheme: Scheme, graph: Graph) -> UpdateScheme:
    if isinstance(scheme, str):
        return choose(scheme, graph_parameters(graph))
    return scheme if isinstance(scheme, UpdateScheme) else UpdateScheme(scheme)


def evaluate(
    program: Program, x: ArrayLike, y: ArrayLike, lr: float | None = None
) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
    """One step of the unplanned oracle from the pretrained state: loss, logits (before the
    update), and the trained parameters after it."""
    if not isinstance(program, Program):
        raise TrainletError(f"program is {shown(program)}; allowed: what trainlet.compile returns")
    trainer = Trainer(program, OracleDevice(program))
    logits = trainer.predict(x)
    loss = trainer.step(x, y, lr)
    return loss, logits, trainer.state()


def _planned(graph: Graph, planner: Callable[..., Plan]) -> tuple[Graph, Plan]:
    """The step and its plan; with copies of weights, if these make the arena smaller."""
    plan, copied = planner(graph), copy_weights(graph)
    if copied is graph:
        return graph, plan
    other = planner(verify(copied))
    return (copied, other) if other.arena < plan.arena else (graph, plan)


def _plan(
    graph: Graph,
    order: Order | None = None,
    *,
    target: Target,
    tile: bool | None,
    stream: bool | str,
    effort: str,
    rollback: bool,
) -> Plan:
    stage("schedule")
    found = find_order(graph, effort) if order is None else None
    order = found.order if found else order or ()
    streamed = streamed_input(graph, stream)
    every_order = found.bound if found else None
    if tile:
        check_rows(graph)
    if stream or (target.ram is not None if tile is None else tile):
        stage("tile")
        return plan_in_tiles(graph, order, streamed, every_order, effort, rollback)
    stage("place")
    return plan_graph(graph, order, (), every_order, effort, rollback)


def _program(
    training: Training,
    plan: Plan,
    target: Target,
    optimizer: Optimizer,
    accumulate: int,
    prefix: str,
    rollback: bool,
) -> CompiledProgram:
    apply = None
    if training.apply is not None:
        apply = Stage(verify(training.apply), plan_apply(training.apply, plan))
    return CompiledProgram(
        training.step, plan, target, apply, accumulate, optimizer.lr, prefix,
        rollback=rollback, folded=training.folded,
    )  # fmt: skip


def _fused(step: Graph) -> Graph:
    return fuse_chains(keep_bytes(fuse_lookups(fuse_updates(step))))


def _some(scheme: UpdateScheme) -> UpdateScheme:
    if not len(scheme):
        raise SchemeError("the scheme trains no parameter; name at least one with a ratio above 0")
    return scheme


def _with_loss(graph: Graph, loss: Loss) -> Graph:
    return Graph({**graph.outputs, LOSS: loss.build(graph.outputs[LOGITS])}, graph.values)
