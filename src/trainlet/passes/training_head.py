"""Adapts the last operators of a network for training.

A loss reads real values.  Cross-entropy wants logits, not probabilities, and their gradient wants
a float32 head. An int8 head costs accuracy, since its output changes by whole quantisation steps or
not at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
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
from trainlet.ops.shape import PERMUTE, RESHAPE

PROBABILITIES = "probabilities"
OWN = "output"
"""The loss that is an output of the network."""


def training_head(graph: Graph, float32: bool) -> Graph:
    """The integer graph made ready for losses, its last layers in float32 if that is asked for.

    An output that ends in a softmax becomes what the softmax reads; the float32 result is the
    output of its `probabilities`.
    """
    logits = without_softmax(graph)
    return _with_probabilities(graph, float_head(logits) if float32 else real_logits(logits))


def logits_and_probabilities(graph: Graph) -> Graph:
    """The float32 graph with the outputs that `training_head` gives an integer one."""
    return _with_probabilities(graph, without_softmax(graph))


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
        if kinds == {True}:
            _warn_of_softmax(name, logits, losses[0])
        return logits
    if len(kinds) > 1:
        raise TrainletError(
            f"losses of logits and of probabilities read the output {name!r}, which ends in a "
            "softmax; leave the softmax out of the model, or use one kind of them"
        )
    return probabilities


def _warn_of_softmax(name: str, output: Node, loss: Loss) -> None:
    while output.op in (RESHAPE.name, PERMUTE.name):
        output = output.inputs[0]
    if logits_of(output) is not None:
        warnings.warn(
            f"the output {name!r} is a softmax, and the loss {loss.name!r} takes one itself: leave "
            "the softmax out of the model, cut the file before it, or use a loss of probabilities, "
            "such as mse",
            stacklevel=1,  # of one place: said once, wherever it is found
        )


def probabilities_of(name: str) -> str:
    """The output that holds the softmax of the logits of that name."""
    return PROBABILITIES if name == LOGITS else f"{PROBABILITIES}.{name}"


def without_softmax(graph: Graph) -> Graph:
    """The graph whose outputs are what a last softmax reads; the graph itself without one.

    A result in float32 that is made integers again is a softmax all the same.
    """
    return _with_outputs(graph, {name: _logits(n) for name, n in predictions(graph).items()})


def float_head(graph: Graph) -> Graph:
    """The graph with float32 outputs.

    A last linear_i8 without a fused activation becomes a float32 `linear` on dequantised inputs;
    its parameters keep their names and hold the dequantised values.  Any other int8 result is
    dequantised.
    """
    heads = _heads(graph)
    if not heads:
        return real_logits(graph)
    values = dict(graph.values)
    layers = {head: _real_layer(head, values) for head in heads}
    made = {}
    for name, output in predictions(graph).items():
        last, tail = _beneath(output)
        made[name] = _again(tail, layers[last]) if last in layers else output
    return real_logits(_with_outputs(Graph(graph.outputs, values), made))


def real_logits(graph: Graph) -> Graph:
    """The graph with the real values of its outputs, which are what a loss reads."""
    return _with_outputs(graph, {
        name: dequantized(n) if n.type.dtype == "int8" else n
        for name, n in predictions(graph).items()
    })  # fmt: skip


def _with_outputs(graph: Graph, outputs: Mapping[str, Node]) -> Graph:
    made = {**graph.outputs, **as_outputs(outputs)}
    return graph if made == graph.outputs else Graph(made, graph.values)


def _with_probabilities(graph: Graph, trained: Graph) -> Graph:
    """The second graph with the softmax of each output that ends in one in the first."""
    ended = [name for name, n in predictions(graph).items() if _logits(n) is not n]
    made = {probabilities_of(k): build("softmax", predictions(trained)[k]) for k in ended}
    return Graph({**trained.outputs, **made}, trained.values) if made else trained


def _logits(output: Node) -> Node:
    """What the last softmax of an output reads; the output itself without one."""
    last, tail = _beneath(output)
    logits = logits_of(last.inputs[0] if last.op == QUANTIZE.name else last)
    classes_stay_last = all(n.type.shape[-1:] == last.type.shape[-1:] for n in tail)
    return output if logits is None or not classes_stay_last else _again(tail, logits)


def _beneath(output: Node) -> tuple[Node, list[Node]]:
    """The node before a tail of dequantize and reshape nodes, and that tail, last first."""
    tail, node = [], output
    while node.op in (RESHAPE.name, DEQUANTIZE.name):
        tail.append(node)
        node = node.inputs[0]
    return node, tail


def _again(tail: list[Node], node: Node) -> Node:
    """The reshapes of a tail, made of another node."""
    for n in reversed(tail):
        if n.op == RESHAPE.name:
            node = build("reshape", node, shape=n.attrs["shape"], label=n.name)
    return node


def _heads(graph: Graph) -> list[Node]:
    """Each linear_i8 without a fused activation that only outputs read, and whose parameters no
    other node reads."""
    found = [_beneath(n) for n in predictions(graph).values()]
    tails = {n for _, tail in found for n in tail}
    readers = users(graph.nodes())

    def ends(node: Node) -> bool:
        return all(n in tails and ends(n) for n in readers[node])

    return [
        last
        for last in dict.fromkeys(last for last, _ in found)
        if last.op == LINEAR_I8.name
        and (last.attrs["low"], last.attrs["high"]) == (LOWEST, HIGHEST)
        and ends(last)
        and all(p.is_leaf and p.type.quant and readers[p] == [last] for p in last.inputs[1:3])
    ]


def _real_layer(head: Node, values: dict[str, np.ndarray]) -> Node:
    """The float32 linear of an integer one; `values` get its parameters."""
    x, *parameters = head.inputs[:3]
    w, b = (_real(p, values) for p in parameters)
    return build("linear", dequantized(x), w, b, label=head.name)


def _real(parameter: Node, values: dict[str, np.ndarray]) -> Node:
    """The parameter as a float32 leaf of the same name; its value changes with it."""
    integers = to_device(parameter, values[parameter.name])
    values[parameter.name] = to_user(parameter, integers).astype(np.float32)
    how, attrs = storage(parameter), dict(parameter.attrs)
    if "storage" in attrs:
        attrs["storage"] = replace(how, planes=None)
    shape = read_type(parameter).shape
    return leaf(parameter.op, parameter.name, TensorType(shape), **attrs)
