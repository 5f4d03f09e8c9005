"""Channels that are drawn anew for each part of training (TraDy, 2510.19675)."""

from __future__ import annotations

import numpy as np

from trainlet.frontends.losses import objective_of
from trainlet.ir.graph import users
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import storage
from trainlet.ops.op import kept
from trainlet.passes.channels import input_channels
from trainlet.passes.training import differentiate_once
from trainlet.schemes.knapsack import Additive
from trainlet.schemes.layers import Choice, Layers
from trainlet.schemes.measure import measure
from trainlet.schemes.study import Study


def measure_redrawn(
    study: Study, layers: Layers, choice: Choice, parts: int, seed: int = 0
) -> np.ndarray:
    """As `measure`, but in each part of training other channels of the weights learn.

    Where the choice has a share of a weight, as many of its input channels are drawn at random for
    every part.  In float32 and with plain SGD this is what a trainer computes whose channels are
    data.  The whole weight changes in the course of training, so it needs RAM as a whole.
    """
    whole = Choice.of(choice.biases, [(number, 1.0) for number, _ in choice.shares])
    return measure(study, whole.scheme(layers), drawn_masks(study, layers, choice, parts, seed))


def even(layers: Layers, gains: Additive) -> list[Choice]:
    """What TraDy draws from: all biases, and the same share of the weights that gain most, for
    every share below 1 and every number of weights; in descending order of the gain."""
    found = []
    for share in sorted({share for _, share in gains.weights if share < 1}):
        ranked = sorted(
            (number for number, own in gains.weights if own == share),
            key=lambda number: -gains.weights[number, share],
        )
        many = range(1, len(ranked) + 1)
        found += [Choice.of(len(layers.body), [(k, share) for k in ranked[:n]]) for n in many]
    return sorted(found, key=lambda c: -gains.of(c))


def drawn_masks(
    study: Study, layers: Layers, choice: Choice, parts: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """For each part of training the elements of weights that do not learn."""
    rng = np.random.default_rng(seed)
    names = {layers.body[number].weight: share for number, share in choice.shares}
    every = UpdateScheme(dict.fromkeys(names, 1.0))
    graph = differentiate_once(study.graph, every, objective_of(study.loss).losses, study.precision)
    readers, found = users(graph.nodes()), []
    leaves = {p.name: p for p in graph.leaves("param")}
    for _ in range(parts):
        held = {}
        for name, share in names.items():
            leaf = leaves[name]
            axis, count = input_channels(leaf, readers[leaf])
            learns = np.zeros(count, bool)
            learns[rng.permutation(count)[: kept(count, share)]] = True
            held[name] = _mask(storage(leaf).shape, storage(leaf).permutation[axis], ~learns)
        found.append(held)
    return found


def _mask(shape: tuple[int, ...], axis: int, channels: np.ndarray) -> np.ndarray:
    """True at these channels of the user's array."""
    along = [1] * len(shape)
    along[axis] = -1
    return np.broadcast_to(channels.reshape(along), shape)
