"""A part of a deep network as two graphs: forward, and backward with its updates.

Parameters are inputs of both, so equal parts share them.  The forward graph also returns what the
backward graph reads: the results of products.  What lies between products is computed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ir.roles import LOGITS, LOSS, predictions
from trainlet.ops.objective import Loss
from trainlet.ops.op import OPS, leaf
from trainlet.ops.optimizer import Optimizer
from trainlet.passes.differentiate import differentiate
from trainlet.passes.training import in_layout, with_gradients
from trainlet.passes.update import PREFIX, attach_updates

RESULT, GIVEN, BACK, KEPT = LOGITS, "block.input", "block.gradient", "kept."
"""Names: the result of a part, its input, the gradient that comes back to it, what it keeps."""


@dataclass(frozen=True)
class BlockGraphs:
    """forward:  `logits` and `kept.*` of `block.input` and the parameters
    backward: `dx`, the gradient of the input, of `block.gradient` and what was kept; it updates the
              parameters that learn.  None where nothing learns here or before.
    """

    forward: Graph
    backward: Graph | None


def block_graphs(
    graph: Graph, learning: Collection[str], of_input: bool, optimizer: Optimizer
) -> BlockGraphs:
    """Of the forward graph of a part with one input and one output.

    of_input: whether the gradient of its input is needed
    """
    graph = _renamed(graph, of_input)
    result = graph.outputs[RESULT]
    if not (learning or of_input):
        return BlockGraphs(graph, None)
    differentiated = differentiate(graph, loss=RESULT)
    back = leaf("input", BACK, result.type)
    outputs = _wanted(differentiated, learning, (RESULT,))
    seeded = rewrite(
        Graph(outputs, differentiated.values), lambda n: back if n.op == "seed" else _as_input(n)
    )
    return _cut(attach_updates(seeded, optimizer).step)


def head_graph(
    graph: Graph, learning: Collection[str], of_input: bool, losses: tuple[Loss, ...],
    optimizer: Optimizer,
) -> Graph:  # fmt: skip
    """The last part with its loss: `loss`, `dx`, and the updates of what learns."""
    differentiated = with_gradients(_renamed(graph, of_input), losses, None)
    outputs = _wanted(differentiated, learning, (LOSS,))
    step = rewrite(Graph(outputs, differentiated.values), _as_input)
    return attach_updates(step, optimizer).step


def _renamed(graph: Graph, of_input: bool) -> Graph:
    """The only input has our name; it is a parameter while its gradient is asked for."""
    (result,) = predictions(graph).values()
    own = leaf("param" if of_input else "input", GIVEN, graph.leaves("input")[0].type)
    outputs = {RESULT: result}
    return in_layout(rewrite(Graph(outputs, graph.values), lambda n: own if n.op == "input" else n))


def _as_input(n: Node) -> Node:
    return leaf("input", GIVEN, n.type) if n.op == "param" and n.name == GIVEN else n


def _wanted(graph: Graph, learning: Collection[str], others: Iterable[str]) -> dict[str, Node]:
    """The outputs that a step needs, the gradient of the input as `dx`."""
    found = {name: graph.outputs[name] for name in others}
    found |= {PREFIX + name: graph.outputs[PREFIX + name] for name in learning}
    if PREFIX + GIVEN in graph.outputs:
        found["dx"] = graph.outputs[PREFIX + GIVEN]
    return found


def _cut(step: Graph) -> BlockGraphs:
    """A step in two, where its gradient comes back."""
    late: set[Node] = set()
    for n in step.nodes():
        if (n.op == "input" and n.name == BACK) or any(i in late for i in n.inputs):
            late.add(n)
    roots = {name: n for name, n in step.outputs.items() if name != RESULT}
    kept: dict[Node, Node] = {}
    waiting, again = list(roots.values()), set[Node]()
    while waiting:
        n = waiting.pop()
        if n in again or n in kept:
            continue
        if n not in late and not n.is_leaf and OPS[n.op].macs(n):
            kept[n] = leaf("input", f"{KEPT}{len(kept)}", n.type)
        else:
            again.add(n)
            waiting.extend(n.inputs)
    new: dict[Node, Node] = dict(kept)
    for n in step.nodes():
        if n in again:
            new[n] = n.with_inputs(new[i] for i in n.inputs)
    results = {RESULT: step.outputs[RESULT], **{at.name: n for n, at in kept.items()}}
    backward = Graph({name: new[n] for name, n in roots.items()}, step.values)
    return BlockGraphs(Graph(results, step.values), backward)


def state_values(graph: Graph | None) -> dict[Node, np.ndarray]:
    """The optimiser's state of a graph that updates parameters, at the start."""
    return {n: graph.values[n.name] for n in graph.leaves("state")} if graph else {}
