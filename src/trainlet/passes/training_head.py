"""Adapts the last operators of a network for training.

A loss reads real values.  Cross-entropy wants logits, not probabilities, and their gradient wants
a float32 head. An int8 head costs accuracy, since its output changes by whole quantisation steps or
not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainlet.errors import TrainletError
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.roles import LOGITS, PROTOTYPES_OF, as_outputs, predictions
from trainlet.ir.storage import read_type, storage, to_device, to_user
from trainlet.ir.types import TensorType
from trainlet.ops.objective import Loss, chosen_outputs, warn_of_first_output
from trainlet.ops.op import build, leaf
from trainlet.ops.quantized.cast import DEQUANTIZE, QUANTIZE, dequantized
from trainlet.ops.quantized.linear import LINEAR_I8
from trainlet.ops.quantized.softmax import logits_of
from trainlet.ops.quantized.types import HIGHEST, LOWEST
from trainlet.ops.shape import RESHAPE

PROBABILITIES = "probabilities"
OWN = "output"
"""The loss that is an output of the network."""


def training_head(graph: Graph, float32: bool) -> Graph:
    """The integer graph made ready for a loss, its last layer in float32 if that is asked for.

    A last softmax leaves the `logits`; its float32 result is the output `probabilities`.
    """
    logits = without_softmax(graph)
    real = float_head(logits) if float32 else real_logits(logits)
    if logits is graph:
        return real
    softmax = build("softmax", real.outputs[LOGITS])
    return Graph({**real.outputs, PROBABILITIES: softmax}, real.values)


def read_by_losses(graph: Graph, losses: Sequence[Loss]) -> tuple[Graph, tuple[Loss, ...]]:
    """The graph that returns what the losses read and nothing else, and the losses of its outputs.

    The only output of a graph is its `logits`.  Where `training_head` has left a softmax out,
    cross-entropy reads the logits before it, and a loss of probabilities its result.  Where an
    output is itself a loss, the others stay too: they are what the network predicts.
    Raises TrainletError for an output that the network does not have, or that two losses read as
    logits and as probabilities.
    """
    outputs = predictions(graph)
    warn_of_first_output(losses, outputs)
    read: dict[str, list[Loss]] = {}
    for loss in losses:
        for name in chosen_outputs(loss, outputs):
            read.setdefault(name, []).append(loss)
    taught = [n.attrs[PROTOTYPES_OF] for n in graph.nodes() if PROTOTYPES_OF in n.attrs]
    read |= {name: [] for name in taught}
    if any(loss.name == OWN for loss in losses):
        read |= {name: [] for name in outputs if name not in read}
    found = {name: _as_read(name, graph, read[name]) for name in outputs if name in read}
    if len(found) == 1:
        found = dict(zip([LOGITS], found.values(), strict=True))
        losses = [replace(loss, output=None) for loss in losses]
    return Graph(as_outputs(found), graph.values), tuple(losses)


def _as_read(name: str, graph: Graph, losses: Sequence[Loss]) -> Node:
    """An output, or the probabilities that were made of it."""
    logits = predictions(graph)[name]
    probabilities = graph.outputs.get(probabilities_of(name))
    kinds = {loss.kind.of_logits for loss in losses}
    if probabilities is None or not kinds or kinds == {True}:
        return logits
    if len(kinds) > 1:
        raise TrainletError(
            f"losses of logits and of probabilities read the output {name!r}, which ends in a "
            "softmax; leave the softmax out of the model, or use one kind of them"
        )
    return probabilities


def probabilities_of(name: str) -> str:
    """The output that holds the softmax of the logits of that name."""
    return PROBABILITIES if name == LOGITS else f"{PROBABILITIES}.{name}"


def without_softmax(graph: Graph) -> Graph:
    """The graph whose `logits` are what a last softmax reads; the graph itself without one.

    A result in float32 that is made integers again is a softmax all the same.
    """
    last, reshapes = _beneath(graph.outputs[LOGITS])
    logits = logits_of(last.inputs[0] if last.op == QUANTIZE.name else last)
    return graph if logits is None else _with_logits(graph, logits, reshapes)


def float_head(graph: Graph) -> Graph:
    """The graph with float32 `logits`.

    A last linear_i8 without a fused activation becomes a float32 `linear` on dequantised inputs;
    its parameters keep their names and hold the dequantised values.  Any other int8 result is
    dequantised.
    """
    last, reshapes = _beneath(graph.outputs[LOGITS])
    if _is_head(graph, last):
        x, *parameters = last.inputs[:3]
        values = dict(graph.values)
        w, b = (_real(p, values) for p in parameters)
        logits = build("linear", dequantized(x), w, b, label=last.name)
        return _with_logits(Graph(graph.outputs, values), logits, reshapes)
    return real_logits(graph)


def real_logits(graph: Graph) -> Graph:
    """The graph with the real values of its `logits`, which is what a loss reads."""
    logits = graph.outputs[LOGITS]
    return _with_logits(graph, dequantized(logits), []) if logits.type.dtype == "int8" else graph


def _beneath(node: Node) -> tuple[Node, list[Node]]:
    """The node before a tail of dequantize and reshape nodes, and the reshapes of that tail, last
    first."""
    reshapes = []
    while not node.is_leaf:
        if node.op == RESHAPE.name:
            reshapes.append(node)
        elif node.op != DEQUANTIZE.name:
            break
        node = node.inputs[0]
    return node, reshapes


def _with_logits(graph: Graph, logits: Node, reshapes: list[Node]) -> Graph:
    for n in reversed(reshapes):
        logits = build("reshape", logits, shape=n.attrs["shape"], label=n.name)
    return Graph({**graph.outputs, LOGITS: logits}, graph.values)


def _is_head(graph: Graph, last: Node) -> bool:
    """Whether the last layer is a linear_i8 without a fused activation, and no other node reads its
    parameters."""
    if last.op != LINEAR_I8.name or (last.attrs["low"], last.attrs["high"]) != (LOWEST, HIGHEST):
        return False
    readers = users(graph.nodes())
    return all(p.is_leaf and p.type.quant and readers[p] == [last] for p in last.inputs[1:3])


def _real(parameter: Node, values: dict[str, np.ndarray]) -> Node:
    """The parameter as a float32 leaf of the same name; its value changes with it."""
    integers = to_device(parameter, values[parameter.name])
    values[parameter.name] = to_user(parameter, integers).astype(np.float32)
    how, attrs = storage(parameter), dict(parameter.attrs)
    if "storage" in attrs:
        attrs["storage"] = replace(how, planes=None)
    shape = read_type(parameter).shape
    return leaf(parameter.op, parameter.name, TensorType(shape), **attrs)
