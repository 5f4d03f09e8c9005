"""Layers and channels chosen by a few examples: TinyTrain (Kwon et al., ICML 2024, 2307.09988)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.arguments import bytes_of, target_of
from trainlet.compiled import CompiledProgram
from trainlet.compiler import plan, train
from trainlet.errors import SchemeError, TargetError
from trainlet.frontends.network import Model
from trainlet.ir.arguments import finite, whole
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage
from trainlet.ops.objective import Losses
from trainlet.ops.op import OPS, kept
from trainlet.ops.shape import source_of
from trainlet.passes.channels import largest
from trainlet.planning.limits import needed
from trainlet.planning.target import Target
from trainlet.progress import stage
from trainlet.schemes.compiled_cost import roomy
from trainlet.schemes.fisher import channel_scores, graph_and_examples
from trainlet.schemes.layers import Layers, layers_of

DEPTH = 6
"""So many of the last weights are candidates: their gradients are needed at once."""


@dataclass(frozen=True)
class Selection:
    """What was chosen, and why.

    scores: of each candidate's weight, the multi-objective score
    ram_bytes: planned, with the reserved stack; flash_bytes: without code
    macs_backward: multiply-accumulates of the backward pass of a step
    """

    scheme: UpdateScheme
    scores: Mapping[str, float]
    ram_bytes: int
    flash_bytes: int
    macs_backward: int


def tinytrain(
    model: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    ram: int | None = None,
    macs: int | None = None,
    share: float = 0.5,
    depth: int = DEPTH,
    target: str | Target = "cortex-m7",
    loss: Losses = "cross_entropy",
) -> Selection:
    """The scheme that a few examples x [n, *sample], y [n, ..] of a new task ask for.

    The importance of an input channel of a weight is its Fisher information: 1 / 2n times the sum
    over the examples of (sum over positions of activation * gradient)^2; that of a layer is the
    sum over its channels.  A layer's score is its importance, divided by its share of the largest
    number of parameters and by its share of the largest number of multiply-accumulates (equation
    3).  In descending order of the scores, each layer learns that still fits: a share of its
    channels, the most important ones, and its biases.  The classifier always learns.

    The paper selects output channels; here they are input channels, because only these save
    memory.  model: a module, or a graph of `prepare` with batch 1.
    ram: bytes, at most the target's RAM (the default); macs: of a backward pass, None for no limit
    depth: the last so many weights are candidates

    Raises TargetError where not even the classifier fits, DataError for examples that do not fit.
    """
    if not 0 < finite("share", share, SchemeError) <= 1:
        raise SchemeError(f"share is {share}; allowed: above 0, at most 1")
    whole("depth", depth, 1, 1 << 16, SchemeError)
    graph, xs, ys = graph_and_examples(model, x, y)
    layers = layers_of(graph, (share,), loss)
    numbers = [k for k, layer in enumerate(layers.body) if layer.shares][-depth:]
    weights = {k: layers.body[k].weight for k in numbers}
    stage("importance of channels")
    channels = channel_scores(graph, xs, ys, list(weights.values()), loss) if weights else {}
    scores = _scores(graph, {name: float(own.sum()) for name, own in channels.items()})
    budget = _Budget(graph, loss, target_of(target), bytes_of("ram", ram), macs)
    chosen: list[int] = []
    best = budget.planned(_scheme(layers, chosen, channels, share))
    if best is None:
        raise TargetError(f"not even the classifier fits: {budget}")
    for done, k in enumerate(sorted(weights, key=lambda k: -scores[weights[k]])):
        stage("choosing layers", done, len(weights))
        more = budget.planned(_scheme(layers, [*chosen, k], channels, share))
        if more is not None:
            chosen, best = [*chosen, k], more
    scheme, (found_ram, found_flash) = _scheme(layers, chosen, channels, share), needed(best)
    return Selection(scheme, scores, found_ram, found_flash, best.macs_backward)


def _scores(graph: Graph, importance: Mapping[str, float]) -> dict[str, float]:
    if not importance:
        return {}
    sizes = {p.name: prod(storage(p).shape) for p in graph.leaves("param") if p.name in importance}
    work = dict.fromkeys(importance, 0)
    for n in graph.nodes():
        weight = None if n.is_leaf or OPS[n.op].channel_axis is None else source_of(n.inputs[1])
        if weight is not None and weight.name in work:
            work[weight.name] += OPS[n.op].macs(n)
    size, most = max(sizes.values()), max(work.values())
    return {
        name: value / (sizes[name] / size * work[name] / most) for name, value in importance.items()
    }


def _scheme(
    layers: Layers, chosen: Iterable[int], channels: Mapping[str, np.ndarray], share: float
) -> UpdateScheme:
    """The classifier, and of the chosen layers the most important channels and the biases."""
    entries: dict[str, Any] = dict.fromkeys(layers.head, 1.0)
    for k in sorted(chosen):
        layer = layers.body[k]
        scores = channels[layer.weight]
        best = largest(scores, kept(len(scores), share))
        entries[layer.weight] = {"channels": best} if len(best) < len(scores) else 1.0
        entries |= dict.fromkeys(layer.biases, 1.0)
    return UpdateScheme(entries)


class _Budget:
    """What a program may need."""

    def __init__(
        self, graph: Graph, loss: Losses, target: Target, ram: int | None, macs: int | None
    ) -> None:
        limits = [size for size in (ram, target.ram) if size is not None]
        self.graph, self.loss, self.ram, self.macs = graph, loss, min(limits, default=None), macs
        self.flash, self.roomy = target.flash, roomy(target)

    def planned(self, scheme: UpdateScheme) -> CompiledProgram | None:
        """The program of a scheme, None where it does not fit."""
        program = plan(train(self.graph, scheme, loss=self.loss), self.roomy, max_recompute=None)
        ram, flash = needed(program)
        pairs = (ram, self.ram), (flash, self.flash), (program.macs_backward, self.macs)
        return program if all(most is None or need <= most for need, most in pairs) else None

    def __str__(self) -> str:
        limits = (self.ram, "bytes of RAM"), (self.flash, "of Flash"), (self.macs, "MACs backward")
        return ", ".join(f"{most:,} {what}" for most, what in limits if most is not None)
