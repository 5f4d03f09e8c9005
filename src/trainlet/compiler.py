"""Four verbs: prepare a network, train it, plan the training for a target, or compile: all three.

Each takes what the one before returns, so any function from Graph to Graph fits between `prepare`
and `train`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from numpy.typing import ArrayLike
from torch.export import ExportedProgram
from torch.nn import Module

from trainlet.arguments import (
    MOST_SUMMED,
    Planning,
    graph_of,
    optimizer_of,
    precision_of,
    scheme_of,
    training_of,
)  # fmt: skip
from trainlet.compiled import CompiledProgram
from trainlet.errors import TargetError
from trainlet.frontends.losses import objective_of
from trainlet.frontends.network import Model, Network, import_network, opened, parameter_names
from trainlet.frontends.quantized import check_calibration, integer_precision
from trainlet.frontends.variants import Variants
from trainlet.ir.arguments import flag, one_of, whole
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.objective import Losses
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes import training as passes
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.presets import PRESETS, choose, graph_parameters
from trainlet.passes.resolve import resolve
from trainlet.passes.update import Training
from trainlet.planning.choices import Asked, Options
from trainlet.planning.feasible import check_forward, check_training, least_needed
from trainlet.planning.limits import check_fits, fit_target
from trainlet.planning.place import plan_apply
from trainlet.planning.program import Stage, training_stages
from trainlet.planning.target import WASM, Target
from trainlet.planning.tiles.stream import AUTO

Scheme = UpdateScheme | Mapping[str, float] | str
STAGES = ("load", "quantize", *passes.STAGES, "lower", "place")


def prepare(
    model: Model,
    example_inputs: Any = None,
    *,
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    scheme: Scheme | None = None,
    loss: Losses | None = None,
    check: bool = True,
) -> Graph:
    """The forward graph of a network, quantised if that is asked for.

    scheme: what `train` will update, where that is known: a batch norm whose parameters learn is
    then not folded into the layer before it.
    loss: what `train` will minimise, where that is known: outputs that it does not read are left
    out.
    The other arguments and the errors are those of `compile`.
    """
    network = opened(model)
    integer = integer_precision(precision_of(precision), network)
    check_calibration(network, integer, calibration)
    losses = None if loss is None else objective_of(loss).losses
    graph = import_network(network, example_inputs, check, losses=losses)
    graph = verify(distinct_names(graph))
    trained = () if scheme is None else tuple(resolved(scheme, graph, network))
    return Variants(network, graph, example_inputs, calibration, check, losses).forward(
        integer, None, trained
    )


def train(
    graph: Graph,
    scheme: Scheme,
    *,
    loss: Losses = "cross_entropy",
    optimizer: Optimizer | None = None,
    accumulate: int = 1,
    precision: str | Int8 | None = None,
    stop_after: str | None = None,
    held: Collection[str] = (),
    split_features: bool = False,
) -> Training:
    """The training step of a forward graph, for any target.

    scheme: in the names of the model's parameters; a preset's name means what it means of the
    graph, where quantisation may have folded a batch norm's parameters into a layer's.
    precision: how the integers of a quantised graph are trained, as given to `prepare`.
    stop_after: one of the stages from "freeze" to "fuse": the result's `step` is the graph then.
    held: names of parameters that do not learn here, but lie in RAM with those that do, because
    another training of the same graph changes them (`trainlet.schemes.Turns`).
    split_features: as of `compile`.
    The other arguments and the errors are those of `compile`.
    """
    objective, optimizer, chosen = objective_of(loss), optimizer_of(optimizer), scheme_of(scheme)
    accumulate = whole("accumulate", accumulate, 1, MOST_SUMMED)
    integer = integer_precision(precision_of(precision), graph_of(graph))
    if stop_after is not None:
        one_of("unknown stage ", stop_after, passes.STAGES)
    chosen = _chosen(chosen, graph)
    return passes.training(
        graph, chosen, objective, optimizer, accumulate, integer, stop_after, tuple(held),
        flag("split_features", split_features),
    )  # fmt: skip


def plan(
    training: Training,
    target: str | Target = "cortex-m7",
    *,
    prefix: str = "trainer",
    tile: bool | None = None,
    stream: bool | str = "auto",
    max_ram: int | None = None,
    max_recompute: float | None = 1.33,
    schedule: str = "greedy",
    rollback: bool | str = True,
) -> CompiledProgram:
    """A training step on a target: the order of its operations and the address of every buffer.

    The arguments are those of `compile`.  Raises TargetError when the target is too small.
    """
    planning = Planning.of(target, prefix, tile, stream, max_ram, max_recompute, schedule, rollback)
    program = _planned(training_of(training), planning)
    check_fits(program, planning.limits)
    return program


def compile(
    model: Model,
    example_inputs: Any = None,
    scheme: Scheme | None = None,
    *,
    target: str | Target = "cortex-m7",
    precision: str | Int8 | None = None,
    calibration: Sequence[ArrayLike] | None = None,
    loss: Losses = "cross_entropy",
    optimizer: Optimizer | None = None,
    accumulate: int = 1,
    prefix: str = "trainer",
    tile: bool | None = None,
    stream: bool | str = "auto",
    max_ram: int | None = None,
    max_recompute: float | None = 1.33,
    schedule: str = "greedy",
    rollback: bool | str = True,
    check: bool = True,
    split_features: bool = False,
) -> CompiledProgram:
    """Compile a pretrained network into a trainer: `prepare`, `train` and `plan` in one call.

    model: a torch.nn.Module (with `example_inputs`, one tensor or a tuple, whose batch size is
    the trainer's), an ExportedProgram, a .pt2 file, or what `load` returns.
    scheme: which parameters learn, with which share of their input channels; or a preset's name.
    target: a preset's name (`trainlet targets`) or a Target.
    precision: "float32", or "int8" (an Int8 says how): real integers forward, updates with
    quantisation-aware scaling; `calibration` batches show a float network's ranges.  None is what
    the network is: "int8" of an int8 file (.tflite, .onnx) or backbone, else "float32".
    loss: "cross_entropy" (int labels), "mse", "bce", "bce_with_logits", a Loss, or a list whose
    sum the step minimises: losses, and penalties L2 and Proximal on what learns.
    accumulate: number of steps whose gradients are averaged before the parameters change.
    tile: whether maps too large for the arena exist only a few rows at a time; by default where
    the target's RAM is limited, and where that lowers the arena.  The results are the same bit for
    bit; True is refused where no operation runs on rows.
    stream: whether the first input is read in rows through a callback, so that it is never in
    memory as a whole; or the name of the input to read so.  Refused where an operation reads the
    input as a whole.  "auto" does it where the target's RAM is limited, the input can come in rows
    and that saves at least 2 % of the RAM; never with `split_features` or on a target with a
    runtime.  `trainer_rows_of_array` in the C delivers the rows of an array.
    prefix: begins all names of the C; lower-case letters, digits and single underscores.
    max_ram: bytes that the program may use, at most the target's RAM (the default).  Where it needs
    more, parts of the forward pass run again in the backward pass instead of being kept; the
    results are the same bit for bit.
    max_recompute: limit on work, as a factor of the step without recomputation; None never
    recomputes.
    schedule: "greedy" improves the greedy order where it is highest; "optimal" searches until
    no order is better or a time limit ends, also with OR-Tools if they are installed.
    rollback: whether a step whose update overflows, and a load whose reader fails or lies, change
    nothing.  Old values need room in the arena, most of it free at that time, and so does a state
    that is loaded.  Without, both say so and the state is lost; a load verifies the blob's checksum
    before it begins.  "step": a step as with True, a load as without.
    check: whether the imported network is compared with torch on the example and on random inputs,
    operator by operator; in int8 also what it is quantised to.
    split_features: whether what is frozen before the first layer that learns is a part of its own:
    `features` of an example are computed once, and `step_features` and `predict_features` do the
    rest, bit for bit what `step` and `predict` do.  Refused where the first layer learns.

    Raises a TrainletError: UnsupportedError, SchemeError, DataError, FileError, or TargetError
    when the target is too small.
    """
    planning = Planning.of(target, prefix, tile, stream, max_ram, max_recompute, schedule, rollback)
    accumulate = whole("accumulate", accumulate, 1, MOST_SUMMED)
    flag("split_features", split_features)
    stream = planning.planner.stream
    given, objective, optimizer = scheme_of(scheme), objective_of(loss), optimizer_of(optimizer)
    network = opened(model)
    integer = integer_precision(precision_of(precision), network)
    check_calibration(network, integer, calibration)
    admit = partial(check_forward, target=planning.target, limits=planning.limits, stream=stream)
    graph = import_network(
        network, example_inputs, check, lambda g: admit(verify(distinct_names(g))),
        objective.losses,
    )  # fmt: skip
    chosen = resolved(given, graph, network)
    graphs = Variants(network, graph, example_inputs, calibration, check, objective.losses)

    def trained(asked: Asked) -> Training:
        forward = graphs.forward(asked.precision, asked.batch, tuple(asked.scheme))
        return passes.training(
            forward, asked.scheme, objective, asked.optimizer, asked.accumulate, asked.precision,
            split_features=split_features,
        )  # fmt: skip

    def planned(asked: Asked) -> CompiledProgram:
        changed = planning.changed(asked.stream, asked.max_recompute, asked.rollback)
        return _planned(trained(asked), changed, options)

    options = Options(
        Asked(chosen, integer, optimizer, accumulate, stream, max_recompute, None, rollback),
        planning.limits,
        lambda asked: least_needed(trained(asked), planning.target, asked.stream),
        planned,
        {name: choose(name, graph_parameters(graph)) for name in PRESETS},
        graphs.batch,
        isinstance(network, (Module, ExportedProgram)),
    )
    program = planned(options.own)
    check_fits(program, planning.limits, options)
    return program


def _planned(training: Training, how: Planning, options: Options | None = None) -> CompiledProgram:
    """A program, whether it fits or not; raises TargetError where none can."""
    if training.front:
        how = how.without_auto_rows()
    check_training(training, how.target, how.limits, how.planner.stream, options)
    front, step = _front_and_step(training, how)
    apply = training.apply and Stage(verify(training.apply), plan_apply(training.apply, step.plan))
    program = CompiledProgram(
        training_stages(step, apply, front), how.target, training.accumulate, training.lr,
        how.prefix, rollback=how.planner.rollback, precision=training.precision, options=options,
        folded=training.folded, losses=training.losses,
    )  # fmt: skip
    planner = how.planner
    if front or planner.stream == AUTO:
        planner = replace(planner, stream=bool(step.plan.streamed))
    return fit_target(program, how.limits, how.max_recompute, planner)


def _front_and_step(training: Training, how: Planning) -> tuple[Stage | None, Stage]:
    """Both planned, each with the whole arena; an input that comes in rows is the front's."""
    graph, planner = training.step, how.planner
    if training.front is None:
        return None, Stage(*planner.smallest(how.target.lower(graph)))
    if how.target.runtime not in (None, WASM):
        raise TargetError(
            f"split_features: the target {how.target.name!r} runs a step as a whole; compile for a "
            "microcontroller or the host"
        )
    front = Stage(*planner.smallest(how.target.lower(training.front)))
    taken = Graph(graph.outputs, {**graph.values, **front.graph.values})  # no name means two arrays
    planner = replace(planner, stream=False, required=False)
    return front, Stage(*planner.smallest(how.target.lower(taken)))


def _chosen(scheme: UpdateScheme | str, graph: Graph) -> UpdateScheme:
    return choose(scheme, graph_parameters(graph)) if isinstance(scheme, str) else scheme


def resolved(scheme: Scheme, graph: Graph, network: Network) -> UpdateScheme:
    """A scheme in the names of a network's float graph; that of a loaded graph is resolved when it
    is trained.  Raises SchemeError where it does not fit."""
    chosen = _chosen(scheme_of(scheme), graph)
    known = parameter_names(network)
    return chosen if isinstance(network, Graph) else resolve(chosen, graph, known)
