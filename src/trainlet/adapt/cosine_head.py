"""A classifier of classes that the network has never seen: the nearest prototype by cosine."""

from __future__ import annotations

import numpy as np

from trainlet.arguments import graph_of
from trainlet.errors import SchemeError
from trainlet.ir.arguments import finite, whole
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOGITS, PROTOTYPES_OF, as_outputs, predictions
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.verify import verify
from trainlet.passes.presets import CLASSIFIER

FEATURES = "features"
PROTOTYPES, SCALE = "head.prototypes", "head.scale"
MOST_WAYS = 1 << 16
SMALLEST, LARGEST = 1e-6, float(np.finfo(np.float32).max)
"""Norms are at least the one, so that a class that nobody has taught has cosine 0."""


def cosine_head(graph: Graph, ways: int, scale: float = 10.0) -> Graph:
    """The graph with the logits scale * cos(features, prototype), of `ways` new classes.

    graph: a network whose only output are features [batch, n], float32 or int8.  The result has
    the outputs `logits` and `features`, and the parameters `head.prototypes` [ways, n], which begin
    with zeros, and `head.scale` [1].  `Trainer.observe` adds the features of examples to their
    class's prototype (prototypical networks, Snell et al., 2017, with the cosine of Hu et al.,
    2022); since only directions count, the sum is as good as the mean.

    Raises SchemeError for another network and for numbers out of range.
    """
    whole("ways", ways, 2, MOST_WAYS, SchemeError)
    factor = finite("scale", scale, SchemeError)
    outputs = predictions(graph_of(graph))
    taken = [name for name in (PROTOTYPES, SCALE) if name in graph.values]
    if len(outputs) != 1 or next(iter(outputs.values())).type.rank != 2 or taken:
        found = ", ".join(f"{name!r} {n.type}" for name, n in outputs.items())
        raise SchemeError(f"the network's outputs are {found}; allowed: one, of features [batch, "
                          "n], without a classifier")  # fmt: skip
    (features,) = outputs.values()
    if features.type.dtype == "int8":
        features = dequantized(features)
    width = features.type.shape[1]
    return headed(graph, features, np.zeros((ways, width), np.float32), factor)


def headed(
    graph: Graph, features: Node, begin: np.ndarray, scale: float, floor: float = SMALLEST
) -> Graph:
    """The graph with the logits scale * cos(features, prototype), and the features.

    features: float32 [batch, n]; begin: the prototypes [classes, n]
    floor: a shorter prototype counts as one of this length; larger than 0
    """
    sums = leaf(
        "param", PROTOTYPES, float32(*begin.shape), **{PROTOTYPES_OF: FEATURES, CLASSIFIER: True}
    )
    factors = leaf("param", SCALE, float32(1), **{CLASSIFIER: True})
    scaled = build("mul", _unit(features, SMALLEST), factors, label="head")
    logits = build("matmul", scaled, _unit(sums, floor), tb=True, label="head")
    values = {PROTOTYPES: begin, SCALE: np.array([scale], np.float32)}
    outputs = as_outputs({LOGITS: logits, FEATURES: features})
    return verify(Graph(outputs, {**graph.values, **values}))


def _unit(x: Node, floor: float) -> Node:
    """The rows of x at length 1."""
    squares = build("sum_to", build("square", x), shape=(x.type.shape[0], 1))
    norms = build("clip", build("norm_sqrt", squares), low=floor, high=LARGEST, inclusive=True)
    return build("div", x, build("broadcast_to", norms, shape=x.type.shape))
