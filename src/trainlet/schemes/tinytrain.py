"""Layers and channels chosen by a few examples: TinyTrain (Kwon et al., ICML 2024, 2307.09988)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainlet.arguments import bytes_of, target_of
from trainlet.compiler import plan, train
from trainlet.errors import SchemeError, TargetError
from trainlet.frontends.network import Model
from trainlet.ir.arguments import finite, one_of, whole
from trainlet.ir.graph import Graph
from trainlet.ir.roles import forward_part
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
from trainlet.schemes.fisher import graph_and_examples
from trainlet.schemes.importance import CRITERIA
from trainlet.schemes.layers import Layers, layers_of

Counts = tuple[tuple[str, int], ...]
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
    criterion: str = "fisher",
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
    criterion: of channels: "fisher", as above; "gradient", the squared norm of their gradient over
    that of the weight; or for comparison "norm", the squared L2 norm of their weights, or "random"

    Raises TargetError where not even the classifier fits, DataError for examples that do not fit.
    """
    graph, xs, ys = graph_and_examples(model, x, y)
    choose = Selector(
        graph, ram=ram, macs=macs, share=share, depth=depth, target=target, loss=loss,
        criterion=criterion,
    )  # fmt: skip
    return choose(xs, ys)


class Selector:
    """`tinytrain` of one network for many tasks: it plans each set of layers once."""

    def __init__(
        self,
        graph: Graph,
        *,
        ram: int | None = None,
        macs: int | None = None,
        share: float = 0.5,
        depth: int = DEPTH,
        target: str | Target = "cortex-m7",
        loss: Losses = "cross_entropy",
        criterion: str = "fisher",
    ) -> None:
        """As of `tinytrain`; the graph has batch 1."""
        if not 0 < finite("share", share, SchemeError) <= 1:
            raise SchemeError(f"share is {share}; allowed: above 0, at most 1")
        whole("depth", depth, 1, 1 << 16, SchemeError)
        self.criterion = CRITERIA[one_of("criterion ", criterion, CRITERIA, SchemeError)]
        self.graph, self.share, self.loss = graph, share, loss
        self.layers = layers_of(graph, (share,), loss)
        numbers = [k for k, layer in enumerate(self.layers.body) if layer.shares][-depth:]
        self.weights = {k: self.layers.body[k].weight for k in numbers}
        self.budget = _Budget(graph, loss, target_of(target), bytes_of("ram", ram), macs)

    def __call__(
        self, x: ArrayLike, y: ArrayLike, values: Mapping[str, np.ndarray] | None = None
    ) -> Selection:
        """What the examples ask for.  values: of parameters that are no longer the graph's."""
        graph, xs, ys = graph_and_examples(self.graph, x, y)
        graph = Graph(graph.outputs, {**graph.values, **(values or {})})
        weights, channels = self.weights, dict[str, np.ndarray]()
        stage("importance of channels")
        if weights:
            channels = self.criterion(graph, xs, ys, list(weights.values()), self.loss)
        factors = score_factors(graph, channels)
        scores = {name: float(own.sum()) * factors[name] for name, own in channels.items()}
        chosen: list[int] = []
        if not self._fits(chosen, channels):
            raise TargetError(f"not even the classifier fits: {self.budget}")
        for done, k in enumerate(sorted(weights, key=lambda k: -scores[weights[k]])):
            stage("choosing layers", done, len(weights))
            if self._fits([*chosen, k], channels):
                chosen.append(k)
        scheme = _scheme(self.layers, chosen, channels, self.share)
        return Selection(scheme, scores, *self.budget.needed(scheme))

    def _fits(self, chosen: Iterable[int], channels: Mapping[str, np.ndarray]) -> bool:
        return self.budget.allows(_scheme(self.layers, chosen, channels, self.share))


def score_factors(graph: Graph, names: Collection[str]) -> dict[str, float]:
    """What turns the importance of each of these weights into its score: one over its share of the
    largest number of parameters and its share of the largest number of multiply-accumulates."""
    if not names:
        return {}
    sizes = {p.name: prod(storage(p).shape) for p in graph.leaves("param") if p.name in names}
    work = dict.fromkeys(names, 0)
    for n in graph.nodes():
        weight = None if n.is_leaf or OPS[n.op].channel_axis is None else source_of(n.inputs[1])
        if weight is not None and weight.name in work:
            work[weight.name] += OPS[n.op].macs(n)
    size, most = max(sizes.values()), max(work.values())
    return {name: 1 / (sizes[name] / size * work[name] / most) for name in names}


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
        self.work: dict[Counts, int] = {}
        self.plans: dict[Counts, tuple[int, int]] = {}

    def allows(self, scheme: UpdateScheme) -> bool:
        """Nothing is planned where the multiply-accumulates are too many already."""
        if self.macs is not None and self.macs_backward(scheme) > self.macs:
            return False
        pairs = zip(self.planned(scheme), (self.ram, self.flash), strict=True)
        return all(most is None or need <= most for need, most in pairs)

    def needed(self, scheme: UpdateScheme) -> tuple[int, int, int]:
        """RAM, Flash and multiply-accumulates of the backward pass.

        Which channels learn makes no difference to them, only how many do.
        """
        return (*self.planned(scheme), self.macs_backward(scheme))

    def macs_backward(self, scheme: UpdateScheme) -> int:
        key = _counts(scheme)
        if key not in self.work:
            step = train(self.graph, scheme, loss=self.loss).step
            backward = set(step.nodes()) - set(forward_part(step).nodes())
            self.work[key] = sum(OPS[n.op].macs(n) for n in backward if not n.is_leaf)
        return self.work[key]

    def planned(self, scheme: UpdateScheme) -> tuple[int, int]:
        """RAM and Flash."""
        key = _counts(scheme)
        if key not in self.plans:
            training = train(self.graph, scheme, loss=self.loss)
            self.plans[key] = needed(plan(training, self.roomy, max_recompute=None))
        return self.plans[key]

    def __str__(self) -> str:
        limits = (self.ram, "bytes of RAM"), (self.flash, "of Flash"), (self.macs, "MACs backward")
        return ", ".join(f"{most:,} {what}" for most, what in limits if most is not None)


def _counts(scheme: UpdateScheme) -> Counts:
    """How many channels learn of each parameter; -1 for a whole one."""
    rules = ((name, scheme.rule(name)) for name in scheme)
    return tuple((name, len(rule) if isinstance(rule, tuple) else -1) for name, rule in rules)
