"""From a forward graph to a training step: the passes in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph
from trainlet.ir.roles import LOSS, as_outputs, predictions
from trainlet.ir.scheme import LEADING, UpdateScheme
from trainlet.ops.objective import Loss, Objective, chosen_outputs, total_loss
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.penalty import Penalty
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes.bias_deltas import keep_bias_deltas
from trainlet.passes.differentiate import differentiate
from trainlet.passes.fold import fold_batch_norm
from trainlet.passes.fractional_bits import add_fractional_bits
from trainlet.passes.freeze import fold_constants, freeze
from trainlet.passes.front import split_front
from trainlet.passes.fuse.lookup_tables import fuse_lookup_tables
from trainlet.passes.fuse.rematerialize import rematerialize
from trainlet.passes.fuse.updates import fuse_updates
from trainlet.passes.head_bits import keep_head_in_16_bits
from trainlet.passes.integer_input import integer_inputs
from trainlet.passes.layout import channels_last
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.loops import read_in_place, trim_loops
from trainlet.passes.merged import settle
from trainlet.passes.penalize import penalize
from trainlet.passes.permute import lead_channels
from trainlet.passes.prune import prune
from trainlet.passes.resolve import resolve
from trainlet.passes.samples import read_samples
from trainlet.passes.split import split_weights
from trainlet.passes.training_head import OWN, read_by_losses
from trainlet.passes.update import PREFIX, Training, attach_updates
from trainlet.progress import stage

STAGES = (
    "freeze", "layout", "fold", "channels", "differentiate", "prune", "split", "update", "fuse",
)  # fmt: skip


def training(
    graph: Graph,
    scheme: UpdateScheme,
    objective: Objective,
    optimizer: Optimizer,
    accumulate: int = 1,
    precision: Int8 | None = None,
    stop_after: str | None = None,
    held: Collection[str] = (),
    split_features: bool = False,
) -> Training:
    """The step that trains what a scheme names; after `stop_after`, one of STAGES, the result's
    `step` is the graph as it is then.

    held: parameters that do not learn, and lie in RAM with those that do
    split_features: whether what is frozen before the first layer that learns is a graph of its own
    Raises SchemeError for a scheme that does not fit the graph.
    """
    graph, losses = read_by_losses(graph, objective.losses)
    graph = verify(distinct_names(graph))
    settled = settle(graph, scheme)
    graph, chosen = settled.graph, resolve(settled.scheme, settled.graph)
    if not len(chosen):
        raise SchemeError("the scheme trains no parameter; name at least one with a ratio above 0")
    kept = with_held(chosen, held, graph)
    passes: dict[str, Callable[[Graph], Graph]] = {
        "freeze": lambda g: freeze(g, kept),
        "layout": in_layout,
        "fold": folded,
        "channels": lambda g: lead_channels(g, chosen),
        "differentiate": lambda g: without_gradients(with_gradients(g, losses, precision), held),
        "prune": lambda g: fold_constants(trim_loops(prune(g, chosen))),
        "split": lambda g: penalize(split_weights(g, chosen), objective.penalties),
    }
    for name, run in passes.items():
        stage(name)
        graph = verify(run(graph))
        if name == stop_after:
            return Training(graph, losses=losses)
    stage("update")
    found = updated(graph, optimizer, accumulate, precision)
    step = verify(found.step)
    if stop_after != "update":
        stage("fuse")
        step = verify(fused(step))
    found = replace(found, step=step, folded=settled.folded, losses=losses)
    if not split_features:
        return found
    front, rest = split_front(step)
    return replace(found, step=verify(rest), front=verify(front))


def differentiate_once(
    graph: Graph, scheme: UpdateScheme, losses: Sequence[Loss], precision: Int8 | None = None
) -> Graph:
    """One differentiated graph for many schemes: each then repeats only what `step_of_scheme` does.

    scheme: names all parameters that any of them will name.  `freeze` comes after `prune` for each
    of them, so a batch norm that any may train is not folded; in an integer graph nothing is left
    to fold, and a scheme's step reads and keeps the same maps as that of `training`.
    Raises UnsupportedError as `differentiate` does.
    """
    return with_gradients(folded(in_layout(freeze(graph, scheme))), losses, precision)


def step_of_scheme(
    differentiated: Graph,
    scheme: UpdateScheme,
    optimizer: Optimizer,
    precision: Int8 | None = None,
    penalties: Sequence[Penalty] = (),
) -> Graph:
    """The training step of one scheme, of what `differentiate_once` returns; it is not verified.
    Shares are of the leading channels, whose memory is that of others wherever these can lead.

    Raises SchemeError as `prune` does, and what `penalize` raises.
    """
    entries = {name: scheme.ratios.get(name, scheme.entry(name)) for name in scheme}
    leading = UpdateScheme(entries, channels=LEADING)
    pruned = fold_constants(trim_loops(freeze(prune(differentiated, leading), leading)))
    learning = penalize(split_weights(pruned, leading), penalties)
    return fused(updated(learning, optimizer, 1, precision).step)


def in_layout(graph: Graph) -> Graph:
    """Stage "layout"."""
    return read_samples(channels_last(integer_inputs(graph)))


def folded(graph: Graph) -> Graph:
    """Stage "fold"."""
    return fold_constants(fold_batch_norm(read_in_place(graph)))


def with_gradients(graph: Graph, losses: Sequence[Loss], precision: Int8 | None) -> Graph:
    """Stage "differentiate"."""
    outputs, values = predictions(graph), dict(graph.values)
    total = total_loss(losses, outputs, values)
    own = {name for loss in losses if loss.name == OWN for name in chosen_outputs(loss, outputs)}
    predicted = {name: n for name, n in outputs.items() if name not in own} or outputs
    outputs = {**as_outputs(predicted), LOSS: total}
    gradient = precision.gradient if precision else "float32"
    return differentiate(Graph(outputs, values), gradient=gradient)


def with_held(scheme: UpdateScheme, held: Collection[str], graph: Graph) -> UpdateScheme:
    """The scheme, and what is held; raises SchemeError for what is no parameter, or learns."""
    known = {n.name for n in graph.leaves("param")}
    for name in held:
        if name not in known or name in scheme:
            found = "learns" if name in scheme else f"is no parameter{closest(name, known)}"
            raise SchemeError(f"held: {shown(name)} {found}; allowed: parameters that do not learn")
    return replace(scheme, ratios={**scheme.ratios, **dict.fromkeys(held, 1.0)}) if held else scheme


def without_gradients(graph: Graph, held: Collection[str]) -> Graph:
    """The graph without the gradients of parameters that do not learn."""
    dropped = {f"{PREFIX}{name}" for name in held}
    return Graph({k: n for k, n in graph.outputs.items() if k not in dropped}, graph.values)


def updated(
    graph: Graph, optimizer: Optimizer, accumulate: int, precision: Int8 | None
) -> Training:
    """Stage "update"."""
    return attach_updates(in_storage(graph, precision), optimizer, accumulate, precision)


def in_storage(graph: Graph, precision: Int8 | None) -> Graph:
    """The graph with its trained parameters as an int8 network keeps them between steps."""
    if precision is None:
        return graph
    kept = add_fractional_bits(graph, precision.extra_bits)
    kept = keep_bias_deltas(kept) if precision.bias_bits == 16 else kept
    return keep_head_in_16_bits(kept) if precision.head_bits == 16 else kept


def fused(step: Graph) -> Graph:
    """Stage "fuse"."""
    return rematerialize(fuse_lookup_tables(fuse_updates(step)))
