"""The stages of a program as ONNX models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from trainlet.backends.onnx import (  # noqa: F401  each fills the table
    convolutions,
    depthwise,
    formulas,
    indices,
    layers,
    loops,
    losses,
    moves,
    pools,
    spectrum,
)
from trainlet.backends.onnx.emitter import EMITTED, OPSET, Emitter, Order, info
from trainlet.backends.onnx.values import Values
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.printable import plain
from trainlet.ir.roles import LOSS
from trainlet.planning.program import Program

IR_VERSION = 10
STATE, NEW = "state.", "new."


class Models:
    """A model a stage: an onnx.ModelProto whose inputs are the graph's and all that training
    changes, and whose outputs are the graph's, by their names in the graph.

    orders: in which order of its axes a leaf lies in every model, by its name
    Raises UnsupportedError for what has no row here, ToolchainError without the extra `onnx`.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.orders = program, dict[str, Order]()
        self.models = {name: self._model(s.graph, name) for name, s in program.stages.items()}

    def arranged(self, name: str, array: np.ndarray) -> np.ndarray:
        """The array of a leaf as the models read it."""
        return np.array(array.transpose(self.orders.get(name, range(array.ndim))), order="C")

    def as_ours(self, name: str, array: np.ndarray) -> np.ndarray:
        """What the models make of a leaf, in the order of the graph."""
        order = self.orders.get(name, range(array.ndim))
        return np.array(array.transpose(np.argsort(order)), order="C")

    def _model(self, graph: Graph, name: str) -> Any:
        at, nodes, inputs, early = Emitter(), graph.nodes(), [], []
        alone = _masks_alone(graph)
        values = Values(at, nodes, lambda n, order: self._leaf(at, n, order, inputs))
        for n in nodes:
            if n.is_leaf:
                continue
            if n.op not in EMITTED or "int8" in (n.type.dtype, *(i.type.dtype for i in n.inputs)):
                raise UnsupportedError(
                    f"target='onnx' has no form of {n.op!r} ({n.name or 'of the step'}: {n.type}); "
                    f"allowed: {', '.join(sorted(EMITTED))}"
                )
            known = len(at.masks)
            values.write(n)
            early += at.masks[known:] if n in alone else []
        outputs = []
        for key, n in graph.outputs.items():
            order = self.orders.get(key.removeprefix(NEW)) if key.startswith(NEW) else None
            at.result(values.take(n, order), plain(key))
            outputs.append(info(at.onnx, plain(key), n, order))
        if early:
            _compute_early(at, early)
        return checked(at, name, inputs, outputs)

    def _leaf(self, at: Emitter, n: Node, order: Order, inputs: list[Any]) -> tuple[str, Order]:
        """What is fed is an input, and so is what training changes."""
        if n.op in ("const", "seed"):
            return at.constant(np.asarray(self.program.initial(n)).transpose(order)), order
        order = self.orders.setdefault(n.name, order)
        name = plain(n.name if n.op == "input" else STATE + n.name)
        inputs.append(info(at.onnx, name, n, order))
        return name, order


def _masks_alone(graph: Graph) -> set[Node]:
    """The masks of values that nothing else in the backward pass reads."""
    if LOSS not in graph.outputs:
        return set()
    forward = set(Graph({LOSS: graph.outputs[LOSS]}, graph.values).nodes())
    masks = {n for n in graph.nodes() if n.op in EMITTED and EMITTED[n.op].mask}
    kept = {i for n in graph.nodes() if n not in forward and n not in masks for i in n.inputs}
    return {n for n in masks if n.inputs[0] not in kept}


def _compute_early(at: Emitter, masks: Sequence[str]) -> None:
    """Let masks be computed right after the values that they are of.

    ONNX Runtime computes what a result needs as late as it can, and what nothing reads first.  A
    mask of bytes would be computed in the backward pass, and its value of floats be kept until
    then.  So something that nothing reads asks for all of them, in this sequence.
    """
    at.op("Max", *(at.op("Size", mask) for mask in masks))


def checked(at: Emitter, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The model, as onnx accepts it."""
    onnx, read = at.onnx, set(_read(at.nodes))
    kept = {k: v for k, v in at.constants.items() if k in read}
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in kept.items()]
    made = onnx.helper.make_graph(at.nodes, name, inputs, outputs, tensors)
    model = onnx.helper.make_model(
        made, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="trainlet",
        ir_version=IR_VERSION,
    )  # fmt: skip
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # two inputs or outputs of one name
        raise UnsupportedError(f"onnx refuses the model of {name!r}: {error}") from None
    return model


def _read(nodes: Iterable[Any]) -> Iterator[str]:
    """What operators read, also in the bodies of loops."""
    for n in nodes:
        yield from n.input
        for attribute in n.attribute:
            yield from _read(attribute.g.node)
