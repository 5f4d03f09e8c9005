"""Gains that need no training: from gradients, from weights, or from activations alone.

They take the place of measured gains in a search.  Their unit is arbitrary; only the order of sums
counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.roles import is_target
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage, to_device
from trainlet.ops.op import OPS, kept
from trainlet.ops.shape import source_of
from trainlet.passes.channels import channel_norms, input_channels
from trainlet.passes.prune import prune
from trainlet.passes.training import differentiate_once
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.schedule import quick_order
from trainlet.run.simulation.recipe import Recipe
from trainlet.run.trainer import input_arrays
from trainlet.schemes.contribution import Contribution
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.study import Study

EXAMPLES = 64
"""Batches at most that a criterion looks at."""


def fisher(of: Contribution) -> Additive:
    """The diagonal of the empirical Fisher information: the mean square of each gradient over
    single batches, summed over what a part trains (as in TinyTrain, 2307.09988)."""
    layers = of.layers
    whole = _differentiated(of)
    parts = {(k, r): f"{k} {r}" for k, b in enumerate(layers.body) for r in b.shares}
    outputs: dict[str, Node] = {}
    for (k, share), name in parts.items():
        weight = layers.body[k].weight
        narrow = prune(whole, UpdateScheme({weight: share}, channels=layers.channels))
        outputs[name] = narrow.outputs[f"grad.{weight}"]
    for layer in layers.body:
        outputs |= {name: whole.outputs[f"grad.{name}"] for name in layer.biases}
    squares = dict.fromkeys(outputs, 0.0)
    for found in _evaluated(Graph(outputs, whole.values), of.measurements.study):
        for name, gradient in found.items():
            squares[name] += float((gradient.double() ** 2).sum())
    biases, total = {0: 0.0}, 0.0
    for k in reversed(range(len(layers.body))):
        total += sum(squares[name] for name in layers.body[k].biases)
        biases[layers.reaching(k)] = total
    return Additive(biases, {part: squares[name] for part, name in parts.items()})


def weight_norm(of: Contribution) -> Additive:
    """The squared L2 norm of the weights that a part trains; biases gain nothing."""
    graph = _differentiated(of)
    readers, leaves = users(graph.nodes()), {p.name: p for p in graph.leaves("param")}
    weights: dict[tuple[int, float], float] = {}
    for k, layer in enumerate(of.layers.body):
        for share in layer.shares:
            leaf = leaves[layer.weight]
            axis, count = input_channels(leaf, readers[leaf])
            norms = channel_norms(leaf, graph.values[leaf.name], axis, count)
            chosen = np.sort(norms)[::-1] if of.layers.channels == "norm" else norms
            weights[k, share] = float((chosen[: kept(count, share)] ** 2).sum())
    return Additive({0: 0.0}, weights)


def topology(of: Contribution) -> Additive:
    """The number of connected components of a layer's input activations, one point an example, at
    half their mean distance (Betti-0; after AdaBet, 2510.03101), times the share; biases gain
    nothing.  Needs a forward pass and no labels."""
    whole, layers = _differentiated(of), of.layers
    read = _read_by_weights(whole)
    outputs = {b.weight: read[b.weight] for b in layers.body if b.weight in read}
    points: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
    for found in _evaluated(Graph(outputs, whole.values), of.measurements.study):
        for name, value in found.items():
            flat = value.reshape(-1, *value.shape[2:]).float()
            points[name] += list(flat.reshape(len(flat), -1).numpy())
    scores = {name: components(np.array(rows)) for name, rows in points.items()}
    return Additive(
        {0: 0.0},
        {(k, r): scores[b.weight] * r for k, b in enumerate(layers.body) for r in b.shares},
    )


def components(points: np.ndarray) -> int:
    """How many connected components points [n, d] have if two of at most half the mean distance
    are joined: one more than the edges of the minimum spanning tree that are longer."""
    square = (points.astype(np.float64) ** 2).sum(1)
    distance = np.sqrt(np.maximum(0, square[:, None] + square - 2 * points @ points.T))
    scale = distance.mean() / 2
    reach, todo, edges = distance[0].copy(), set(range(1, len(points))), []
    while todo:
        nearest = min(todo, key=lambda k: reach[k])
        todo.remove(nearest)
        edges.append(reach[nearest])
        reach = np.minimum(reach, distance[nearest])
    return 1 + sum(bool(edge > scale) for edge in edges)


CRITERIA = {"Fisher": fisher, "weight norm": weight_norm, "topology": topology}


def _differentiated(of: Contribution) -> Graph:
    """The network with the float gradients of all weights and biases."""
    study, body = of.measurements.study, of.layers.body
    names = [*of.layers.head, *(n for layer in body for n in (*layer.biases, layer.weight) if n)]
    every = UpdateScheme(dict.fromkeys(names, 1.0))
    return differentiate_once(study.graph, every, objective_of(study.loss).losses)


def _read_by_weights(graph: Graph) -> dict[str, Node]:
    """The input of the layer of each weight."""
    return {
        source_of(n.inputs[1]).name: n.inputs[0]
        for n in graph.nodes()
        if not n.is_leaf and OPS[n.op].channel_axis is not None and "grad" not in n.name
    }


def _evaluated(graph: Graph, study: Study) -> Iterator[dict[str, torch.Tensor]]:
    """The outputs [1, *shape] for batches of what the runs learn from."""
    recipe = Recipe.of(graph, quick_order(graph, Liveness(graph)))
    fixed = {
        n.name: torch.from_numpy(np.array(to_device(n, graph.values[n.name]), order="C"))[None]
        for n in graph.leaves("param", "const", "seed")
    }
    inputs = [n for n in graph.leaves("input") if not is_target(n)]
    targets = [n for n in graph.leaves("input") if is_target(n)]
    batch = storage(inputs[0]).shape[0]
    rows = np.unique(np.concatenate([run.learn for run in study.runs]))
    many = min(EXAMPLES, len(rows) // batch)
    drawn = np.random.default_rng(0).permutation(rows)[: many * batch].reshape(many, batch)
    for own in drawn:
        fed = input_arrays(inputs, {inputs[0].name: study.x[own]})
        fed |= {n.name: np.asarray(study.y[own], n.type.dtype) for n in targets}
        leaves = {name: torch.from_numpy(np.array(a, order="C"))[None] for name, a in fed.items()}
        yield recipe({**fixed, **leaves})
