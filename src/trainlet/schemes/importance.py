"""How much each input channel of a weight matters: the criteria by which `tinytrain` chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trainlet.ir.graph import Graph, users
from trainlet.ops.objective import Losses
from trainlet.passes.channels import channel_norms, input_channels
from trainlet.passes.training import in_layout
from trainlet.schemes.fisher import channel_scores, relative_gradients

Criterion = Callable[[Graph, np.ndarray, np.ndarray, Sequence[str], Losses], dict[str, np.ndarray]]


def weight_norms(
    graph: Graph, x: np.ndarray, y: np.ndarray, weights: Sequence[str], loss: Losses
) -> dict[str, np.ndarray]:
    """The squared L2 norm of each channel's weights; the examples do not matter."""
    graph = in_layout(graph)
    readers = users(graph.nodes())
    return {
        p.name: channel_norms(p, graph.values[p.name], *input_channels(p, readers[p])) ** 2
        for p in graph.leaves("param")
        if p.name in weights
    }


def random_numbers(
    graph: Graph, x: np.ndarray, y: np.ndarray, weights: Sequence[str], loss: Losses
) -> dict[str, np.ndarray]:
    """A number for each channel, drawn from the examples' bytes: other examples, other numbers."""
    rng = np.random.default_rng(np.frombuffer(x.tobytes()[:4096], np.uint8))
    norms = weight_norms(graph, x, y, weights, loss)
    return {name: rng.random(own.shape) for name, own in norms.items()}


CRITERIA: Mapping[str, Criterion] = {
    "fisher": channel_scores,
    "gradient": relative_gradients,
    "norm": weight_norms,
    "random": random_numbers,
}
