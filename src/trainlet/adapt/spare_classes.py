"""Outputs reserved for classes that come later: a head of prototypes in the classifier's place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trainlet.adapt.cosine_head import FEATURES, PROTOTYPES, SCALE, headed
from trainlet.arguments import graph_of
from trainlet.compiler import compile
from trainlet.errors import DataError, SchemeError, shown
from trainlet.ir.arguments import whole
from trainlet.ir.arrays import as_numbers
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOGITS, predictions
from trainlet.ops.linear import LINEAR
from trainlet.ops.shape import source_of
from trainlet.run.simulation.simulation import simulate

MOST_SPARE = 1 << 16


def spare_classes(graph: Graph, spare: int, x: ArrayLike, y: ArrayLike) -> Graph:
    """The graph with a head for its own classes and `spare` classes that are not known yet.

    graph: a network whose last layer is a linear one in float32 (in int8, one of `prepare` unless
    its head is an integer one) with the classes 0..n-1
    x: examples [m, ...] of inputs, at least one of each class; y: their labels [m]

    The logits become scale * cos(features, prototype), where features are the input of the last
    layer (Snell et al., 2017, with the cosine of Hu et al., 2022).  The prototypes of the known
    classes begin with the means of their features.  The scale begins such that the two largest
    logits of an example are on average as far apart as those of the last layer.  The prototypes of
    spare classes are zero until `Trainer.observe` is called with one of the labels n..n+spare-1.
    Until then their logits are 0, and a step changes them little, because a prototype shorter than
    the mean one of the known classes is not brought to length 1.

    Raises SchemeError for another network, DataError for examples that do not fit it.
    """
    whole("spare", spare, 1, MOST_SPARE, SchemeError)
    last = _last(graph_of(graph))
    features, classes = last.inputs[0], last.type.shape[1]
    labels = as_numbers(y, "the labels")
    inputs = as_numbers(x, "the examples")
    if labels.dtype.kind not in "iu" or inputs.shape[:1] != labels.shape:
        raise DataError(f"y is {labels.dtype} {labels.shape} and x {inputs.shape}; allowed: "
                        "integers, one for each example")  # fmt: skip
    if sorted(set(labels.tolist())) != list(range(classes)):
        raise DataError(f"labels {shown(sorted(set(labels.tolist())))}; allowed: each of "
                        f"0..{classes - 1}, and no other")  # fmt: skip
    rows = _features(graph, features, inputs)
    means = np.stack([rows[labels == k].mean(0) for k in range(classes)])
    lengths = np.linalg.norm(means, axis=1)
    begin = np.zeros((classes + spare, rows.shape[1]), np.float32)
    begin[:classes] = means
    cosines = (rows / _lengths(rows)) @ (means / _lengths(means)).T
    scale = _margin(_logits(graph, last, rows)) / max(_margin(cosines), 1e-3)
    return headed(graph, features, begin, scale, float(lengths.mean()) or 1.0)


def _last(graph: Graph) -> Node:
    """The last layer."""
    outputs = predictions(graph)
    logits = outputs.get(LOGITS)
    if len(outputs) != 1 or logits is None or logits.op != LINEAR.name or logits.type.rank != 2:
        found = ", ".join(f"{name!r} of {n.op!r} {n.type}" for name, n in outputs.items())
        raise SchemeError(f"the network's outputs are {found}; allowed: one, the logits of a "
                          "linear layer in float32 at the end")  # fmt: skip
    if {PROTOTYPES, SCALE} & set(graph.values):
        raise SchemeError("the network has a head of prototypes already; give cosine_head more "
                          "ways instead")  # fmt: skip
    return logits


def _features(graph: Graph, features: Node, x: np.ndarray) -> np.ndarray:
    """Of each example [m, n]."""
    begin = np.ones((2, features.type.shape[1]), np.float32)
    program = compile(headed(graph, features, begin, 1.0), scheme="last", target="host")
    batch = features.type.shape[0]
    whole_batches = -(-len(x) // batch) * batch
    found = simulate(program, 1).predict(x[np.arange(whole_batches) % len(x)][None])
    return found[FEATURES][0, : len(x)]


def _logits(graph: Graph, last: Node, features: np.ndarray) -> np.ndarray:
    """What the last layer makes of features."""
    weight, *bias = (graph.values[source_of(n).name] for n in last.inputs[1:])
    return features @ weight.T + sum(bias)


def _margin(logits: np.ndarray) -> float:
    """How far the two largest of each row are apart, on average."""
    return float(np.diff(np.sort(logits, axis=1)[:, -2:], axis=1).mean())


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
