"""From a forward graph to a training step: the passes in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.loss import Loss
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes.differentiate import differentiate
from trainlet.passes.extra_bits import add_extra_bits
from trainlet.passes.fold import fold_batch_norm
from trainlet.passes.freeze import fold_constants, freeze
from trainlet.passes.fuse.lookups import fuse_lookups
from trainlet.passes.fuse.updates import fuse_updates
from trainlet.passes.fuse.widened import keep_bytes
from trainlet.passes.integer_input import integer_inputs
from trainlet.passes.layout import channels_last
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.merged import settle
from trainlet.passes.prune import prune
from trainlet.passes.resolve import resolve
from trainlet.passes.split import split_weights
from trainlet.passes.training_head import LOGITS, read_by_loss
from trainlet.passes.update import Training, attach_updates
from trainlet.progress import stage

STAGES = ("freeze", "layout", "fold", "differentiate", "prune", "split", "update", "fuse")


def training(
    graph: Graph,
    scheme: UpdateScheme,
    loss: Loss,
    optimizer: Optimizer,
    accumulate: int = 1,
    precision: Int8 | None = None,
    stop_after: str | None = None,
) -> Training:
    """The step that trains what a scheme names; after `stop_after`, one of STAGES, the result's
    `step` is the graph as it is then.

    Raises SchemeError for a scheme that does not fit the graph.
    """
    graph = verify(distinct_names(read_by_loss(graph, loss.name)))
    settled = settle(graph, scheme)
    graph, chosen = settled.graph, resolve(settled.scheme, settled.graph)
    if not len(chosen):
        raise SchemeError("the scheme trains no parameter; name at least one with a ratio above 0")
    gradient = precision.gradient if precision else "float32"
    passes: dict[str, Callable[[Graph], Graph]] = {
        "freeze": lambda g: freeze(g, chosen),
        "layout": lambda g: channels_last(integer_inputs(g)),
        "fold": lambda g: fold_constants(fold_batch_norm(g)),
        "differentiate": lambda g: differentiate(_with_loss(g, loss), gradient=gradient),
        "prune": lambda g: fold_constants(prune(g, chosen)),
        "split": split_weights,
    }
    for name, run in passes.items():
        stage(name)
        graph = verify(run(graph))
        if name == stop_after:
            return Training(graph)
    stage("update")
    graph = add_extra_bits(graph, precision.extra_bits if precision else 0)
    found = attach_updates(graph, optimizer, accumulate, precision)
    step = verify(found.step)
    if stop_after != "update":
        stage("fuse")
        step = verify(keep_bytes(fuse_lookups(fuse_updates(step))))
    return replace(found, step=step, folded=settled.folded)


def _with_loss(graph: Graph, loss: Loss) -> Graph:
    return Graph({**graph.outputs, "loss": loss.build(graph.outputs[LOGITS])}, graph.values)
