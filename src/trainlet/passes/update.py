"""From gradients to updates: the optimiser's, or an accumulation that is applied later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from trainlet.errors import SchemeError, shown
from trainlet.ir.arguments import closest
from trainlet.ir.graph import Graph, Node
from trainlet.ops.objective import Loss
from trainlet.ops.op import build, leaf
from trainlet.ops.optimizer import Optimizer, Updates
from trainlet.ops.quantized.precision import Int8

PREFIX = "grad."


@dataclass(frozen=True)
class Training:
    """A network with its backward pass and its updates, for any target.

    step:      runs for every batch
    apply:     runs after every `accumulate` steps; None where each step updates the parameters
    lr:        the learning rate that a step uses unless it is given another
    precision: how integers are trained; None in float32
    folded:    a parameter that the user's scheme names -> the one that learns for it too
    losses:    of the outputs of the step, whose weighted sum it minimises, beside penalties
    front:     what makes the inputs of `step` of the network's; None where they are the same
    """

    step: Graph
    apply: Graph | None = None
    accumulate: int = 1
    lr: float = 0.01
    precision: Int8 | None = None
    folded: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    front: Graph | None = None


def attach_updates(
    graph: Graph, optimizer: Optimizer, accumulate: int = 1, precision: Int8 | None = None
) -> Training:
    """Each gradient output becomes an update in place, as soon as it exists.

    With accumulate > 1 the step adds gradient / accumulate to a buffer; `apply` updates the
    parameters from the buffers and clears them.
    """
    parameters = {n.name: n for n in graph.leaves("param")}
    forward = {k: n for k, n in graph.outputs.items() if not k.startswith(PREFIX)}
    gradients = {
        parameters[k.removeprefix(PREFIX)]: n
        for k, n in graph.outputs.items()
        if k.startswith(PREFIX)
    }
    if accumulate == 1:
        step = _applied(graph, forward, gradients, optimizer, precision)
        return Training(step, lr=optimizer.lr, precision=precision)
    buffers, values = {}, dict(graph.values)
    for p, g in gradients.items():
        buffers[p] = leaf("state", f"{p.name}.gradient", g.type)
        values[buffers[p].name] = np.zeros(g.type.shape, np.float32)
    added = {
        f"new.{buffers[p].name}": build("accumulate", buffers[p], g, factor=1 / accumulate)
        for p, g in gradients.items()
    }
    cleared = {f"new.{b.name}": build("clear", b) for b in buffers.values()}
    step = Graph({**forward, **added}, values)
    apply = _applied(step, cleared, buffers, optimizer, precision)
    return Training(step, apply, accumulate, optimizer.lr, precision)


def _applied(
    graph: Graph,
    outputs: Mapping[str, Node],
    gradients: Mapping[Node, Node],
    optimizer: Optimizer,
    precision: Int8 | None,
) -> Graph:
    factors = group_factors(getattr(optimizer, "groups", {}), gradients)
    updates = Updates(precision=precision or Int8(), factors=factors)
    optimizer.update(gradients, updates)
    return Graph({**outputs, **updates.outputs}, {**graph.values, **updates.values})


def group_factors(groups: Mapping[str, float], parameters: Iterable[Node]) -> dict[str, float]:
    """The factor of the learning rate of each parameter that a pattern matches, by name.

    Raises SchemeError for a pattern that matches no trained parameter.
    """
    factors: dict[str, float] = {}
    names = {p.name: (p.name, *p.attrs.get("aliases", ())) for p in parameters}
    for pattern, factor in groups.items():
        matched = [p for p, own in names.items() if any(fnmatchcase(n, pattern) for n in own)]
        if not matched:
            raise SchemeError(
                f"groups: no trained parameter matches {shown(pattern)}"
                f"{closest(pattern, names)}; trained: {', '.join(list(names)[:10])}"
            )
        factors = {**dict.fromkeys(matched, float(factor)), **factors}
    return factors
