"""The cross-entropy of many positions and classes, such as a language model's, without all logits
at once."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np

from trainlet.errors import SchemeError
from trainlet.ir.arguments import whole
from trainlet.ir.graph import Graph, Node, unused
from trainlet.ir.roles import LOGITS, as_outputs, predictions
from trainlet.ops.criteria import rows_of_classes
from trainlet.ops.linear import LINEAR
from trainlet.ops.op import OPS, build, leaf, typed
from trainlet.ops.shape import source_of

LABELS = "labels"


def loss_in_chunks(graph: Graph, chunks: int) -> Graph:
    """The graph whose output is the cross-entropy of its logits, a mean over all positions, for
    training with the loss "output".

    The classifier, a linear layer, runs on one chunk of the positions at a time, and so does its
    gradient: only one chunk's logits and their gradient exist at once.  The labels become the last
    input, `labels`: int32 [N] for logits [N,C], [N,...] for logits [N,C,...].  `predict` returns
    the loss of a batch.

    chunks: how many, at most the number of positions
    Raises SchemeError for a graph whose only output is no such layer's.
    """
    layer, x = _classifier(graph)
    *rows, width = x.type.shape
    count, classes = prod(rows), layer.type.shape[-1]
    whole("chunks", chunks, 1, count, SchemeError)
    logits = predictions(graph)[LOGITS].type.shape
    name = unused(LABELS, {*graph.values, *(n.name for n in graph.leaves("input"))})
    shape = (logits[0], *logits[2:])
    given = leaf("input", name, typed("int32", *shape), below=classes)
    flat = build("reshape", x, shape=(count, width))
    edges = np.linspace(0, count, chunks + 1).astype(int).tolist()
    terms = []
    for start, stop in pairwise(edges):
        part = build("slice", flat, axis=0, start=start, stop=stop)
        of = build("view", given, start=start, shape=(stop - start,))
        z = build(LINEAR.name, part, *layer.inputs[1:], label=layer.name)
        loss = build("cross_entropy", z, of, label=layer.name)
        terms.append(build("scale", loss, factor=(stop - start) / count))
    total = terms[0]
    for term in terms[1:]:
        total = build("add", total, term)
    return Graph(as_outputs({LOGITS: total}), graph.values)


def _classifier(graph: Graph) -> tuple[Node, Node]:
    """The last layer, and what it reads; raises SchemeError where it is no float32 linear layer
    whose result has the classes in dimension 1 of the logits."""
    outputs = predictions(graph)
    logits = outputs.get(LOGITS)
    layer = source_of(logits) if logits is not None and len(outputs) == 1 else None
    if logits is None or layer is None or layer.op != LINEAR.name or not _in_order(logits, layer):
        raise SchemeError(
            f"loss_in_chunks: the outputs are {', '.join(map(repr, outputs))}; allowed: one, "
            "logits [N,C] or [N,C,...] that a linear layer of [N,...,D] makes in float32"
        )
    return layer, layer.inputs[0]


def _in_order(logits: Node, layer: Node) -> bool:
    """Whether the logits of a position are the layer's result for the row of the same number."""
    if logits.type.rank < 2:
        return False
    label = leaf("input", LABELS, typed("int32", logits.type.shape[0], *logits.type.shape[2:]))
    rows, _ = rows_of_classes(logits, label)
    places = _places(rows, layer).reshape(-1)
    return bool((places == np.arange(layer.type.size)).all())


def _places(n: Node, source: Node) -> np.ndarray:
    """For each element of n, a shape or order of `source`, which element of that it is."""
    if n is source:
        return np.arange(n.type.size).reshape(n.type.shape)
    moved = OPS[n.op].eval(_places(n.inputs[0], source), **n.attrs)
    return moved.reshape(n.type.shape)
