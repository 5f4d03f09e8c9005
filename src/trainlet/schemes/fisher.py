"""The channels of a weight that matter most for the loss of given data: shares become indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from trainlet.arguments import scheme_of
from trainlet.compiler import prepare
from trainlet.errors import DataError, SchemeError, shown
from trainlet.frontends.losses import objective_of
from trainlet.frontends.network import Model
from trainlet.ir.graph import Graph, users
from trainlet.ir.roles import is_target
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage, to_device
from trainlet.ops.objective import Losses
from trainlet.ops.op import kept
from trainlet.passes.channels import input_channels, largest, real_weight
from trainlet.passes.resolve import resolve
from trainlet.passes.training import differentiate_once
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.schedule import quick_order
from trainlet.run.simulation.recipe import Recipe
from trainlet.run.trainer import input_array

AT_ONCE = 16
"""Examples of which the gradients are held at once."""


def fisher_channels(
    model: Model, x: ArrayLike, y: ArrayLike, scheme: Any, *, loss: Losses = "cross_entropy"
) -> UpdateScheme:
    """The scheme with indices of channels in the place of shares below 1.

    x [n, *sample], y [n, ..]: examples, each of which is a batch of its own.  model: a module, or
    the graph of `prepare` with batch 1.  The score of a channel is the Fisher information of a
    factor on it (Theis et al., 2018; TinyTrain, 2024): 1 / 2n times the sum over the examples of
    (sum over the channel's weights of w * dL/dw)^2.  It needs one backward pass an example.

    Raises SchemeError where the scheme has no share below 1, DataError for examples that do not
    fit.
    """
    graph, xs, ys = graph_and_examples(model, x, y)
    given = scheme_of(scheme)
    if isinstance(given, str):
        raise SchemeError(f"the scheme is {shown(given)}; allowed: one with a share below 1")
    chosen = resolve(given, graph)
    shares = {name: share for name, share in chosen.ratios.items() if share < 1}
    if not shares:
        raise SchemeError(f"the scheme is {shown(given)}; allowed: one with a share below 1")
    scores = channel_scores(graph, xs, ys, list(shares), loss)
    found = {
        name: {"channels": largest(own, kept(len(own), shares[name]))}
        for name, own in scores.items()
    }
    return UpdateScheme({name: found.get(name, chosen.entry(name)) for name in chosen})


def graph_and_examples(
    model: Model, x: ArrayLike, y: ArrayLike
) -> tuple[Graph, np.ndarray, np.ndarray]:
    """The graph of a batch of one, and as many examples as labels; raises DataError."""
    xs, ys = np.asarray(x), np.asarray(y)
    if not len(xs) or len(xs) != len(ys):
        raise DataError(f"x has shape {xs.shape} and y {ys.shape}; allowed: as many labels as "
                        "examples, at least one")  # fmt: skip
    one = torch.as_tensor(xs[:1])
    return model if isinstance(model, Graph) else prepare(model, one, check=False), xs, ys


def channel_scores(
    graph: Graph, x: np.ndarray, y: np.ndarray, weights: Sequence[str], loss: Losses
) -> dict[str, np.ndarray]:
    """The Fisher information [channels] of every input channel of these weights, on examples x."""
    return _over_examples(graph, x, y, weights, loss, lambda g, w: (g * w).sum(2) ** 2)


def relative_gradients(
    graph: Graph, x: np.ndarray, y: np.ndarray, weights: Sequence[str], loss: Losses
) -> dict[str, np.ndarray]:
    """The squared norm of the gradient of every input channel of these weights over the squared
    norm of the weight (Lee et al., 2023): 1 / 2n times the sum over the examples."""
    return _over_examples(graph, x, y, weights, loss, lambda g, w: (g**2).sum(2) / (w**2).sum())


def _over_examples(
    graph: Graph,
    x: np.ndarray,
    y: np.ndarray,
    weights: Sequence[str],
    loss: Losses,
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    """1 / 2n times the sum over the examples of score(gradients, weight) [examples, channels];
    gradients [examples, channels, ..], weight [channels, ..]."""
    every = UpdateScheme(dict.fromkeys(weights, 1.0))
    whole = differentiate_once(graph, every, objective_of(loss).losses)
    readers, params = users(whole.nodes()), {p.name: p for p in whole.leaves("param")}
    missing = [name for name in weights if f"grad.{name}" not in whole.outputs]
    if missing:
        raise SchemeError(f"no gradient reaches parameter {missing[0]!r}; leave it out")
    scores: dict[str, np.ndarray] = {}
    for gradients in _gradients(whole, weights, x, y):
        for name, gradient in gradients.items():
            p = params[name]
            axis, count = input_channels(p, readers[p])
            weight = real_weight(p, whole.values[name]).astype(np.float64)
            found = score(
                np.moveaxis(gradient, axis + 1, 1).reshape(len(gradient), count, -1),
                np.moveaxis(weight, axis, 0).reshape(count, -1),
            )
            scores[name] = scores.get(name, 0) + found.sum(0) / (2 * len(x))
    return scores


def _gradients(
    graph: Graph, names: Sequence[str], x: np.ndarray, y: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """The gradients [E, *shape] of the weights in the device's layout, for a few examples at a
    time."""
    outputs = {name: graph.outputs[f"grad.{name}"] for name in names}
    needed = Graph(outputs, graph.values)
    recipe = Recipe.of(needed, quick_order(needed, Liveness(needed)))
    fixed = {
        n.name: _tensor(to_device(n, graph.values[n.name])[None])
        for n in needed.leaves("param", "const", "seed")
    }
    leaves = needed.leaves("input")
    inputs = [n for n in leaves if not is_target(n)]
    if len(inputs) != 1 or storage(inputs[0]).shape[0] != 1:
        raise DataError(f"the inputs are {shown(inputs)}; allowed: one input, of batch 1")
    for at in range(0, len(x), AT_ONCE):
        fed = {inputs[0].name: [to_device(inputs[0], input_array(inputs[0], one[None])) for one in
                                x[at : at + AT_ONCE]]}  # fmt: skip
        for n in leaves:
            if is_target(n):
                own = y[at : at + AT_ONCE]
                fed[n.name] = [np.asarray(one, n.type.dtype).reshape(n.type.shape) for one in own]
        values = {name: _tensor(np.stack(arrays)) for name, arrays in fed.items()}
        found = recipe({**fixed, **values})
        yield {name: value.double().numpy() for name, value in found.items()}


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, order="C"))
