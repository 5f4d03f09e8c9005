"""One differentiated graph for many update schemes: a scheme repeats only what follows.

`freeze` comes first where one scheme is compiled, so that batch norms whose parameters are frozen
fold.  Here it comes after `prune`: a parameter that may learn in any scheme is a parameter while
the graph is differentiated.  In an integer graph nothing is left to fold, so a scheme's step reads
and keeps the same maps either way.
"""

from __future__ import annotations

from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.loss import Loss
from trainlet.ops.optimizer import Optimizer
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.differentiate import differentiate
from trainlet.passes.extra_bits import add_extra_bits
from trainlet.passes.fold import fold_batch_norm
from trainlet.passes.freeze import fold_constants, freeze
from trainlet.passes.fuse.lookups import fuse_lookups
from trainlet.passes.fuse.updates import fuse_updates
from trainlet.passes.fuse.widened import keep_bytes
from trainlet.passes.integer_input import integer_inputs
from trainlet.passes.layout import channels_last
from trainlet.passes.prune import prune
from trainlet.passes.split import split_weights
from trainlet.passes.training_head import LOGITS
from trainlet.passes.update import attach_updates


def differentiate_once(
    graph: Graph, scheme: UpdateScheme, loss: Loss, precision: Int8 | None = None
) -> Graph:
    """A forward graph with the gradients of all parameters that any scheme will name.

    scheme: names them all.  Raises UnsupportedError as `differentiate` does.
    """
    graph = fold_constants(fold_batch_norm(channels_last(integer_inputs(freeze(graph, scheme)))))
    outputs = {**graph.outputs, "loss": loss.build(graph.outputs[LOGITS])}
    gradient = precision.gradient if precision else "float32"
    return differentiate(Graph(outputs, graph.values), gradient=gradient)


def step_of_scheme(
    differentiated: Graph, scheme: UpdateScheme, optimizer: Optimizer, precision: Int8 | None = None
) -> Graph:
    """The training step of one scheme, of what `differentiate_once` returns; it is not verified.

    Raises SchemeError as `prune` does.
    """
    pruned = fold_constants(freeze(prune(differentiated, scheme), scheme))
    wide = add_extra_bits(split_weights(pruned), precision.extra_bits if precision else 0)
    step = attach_updates(wide, optimizer, precision=precision).step
    return keep_bytes(fuse_lookups(fuse_updates(step)))
