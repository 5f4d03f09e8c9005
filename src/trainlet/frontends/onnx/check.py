"""Compares the imported graph with onnxruntime, or with onnx's reference where that is absent or
does not know the file's version: every operator on the reference's own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.agreement import agreed, computed, missing_nodes, work
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import package
from trainlet.frontends.onnx.stored import signed
from trainlet.frontends.selfcheck import WORK, random_trials
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device

STEPS = 1
"""By how much integers may differ: the reference rounds a float32 product, halves to even, and
Trainlet rounds integers as LiteRT does, halves away from zero."""


def check_model(at: Builder, graph: Graph) -> None:
    """Compare on normal random numbers, and on numbers with many zeros and halves.

    Raises UnsupportedError with the first operator that differs, or if the reference cannot run.
    """
    needed = set(graph.nodes())
    own = {name for node in at.model.proto.graph.node for name in node.output}
    made = [
        (operator, name, at.nodes[name])
        for operator in at.model.operators
        for name in operator.outputs
        if name in own and name in at.nodes and at.nodes[name] in needed and name not in at.known
    ]
    inputs = [at.nodes[given.name] for given in at.model.inputs]
    below: list[int] = [
        at.drawn_below.get(given.name, int(n.attrs.get("below", 0)))
        for given, n in zip(at.model.inputs, inputs, strict=True)
    ]
    trials = random_trials([n.type.shape for n in inputs], below)
    run = Reference(at.model.proto, [name for _, name, _ in made])
    fixed = {n: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    for trial in trials:
        arrays = [t.numpy() for t in trial]
        given = {i.name: a.astype(i.dtype) for i, a in zip(at.model.inputs, arrays, strict=True)}
        known = fixed | {n: _stored(n, a) for n, a in zip(inputs, given.values(), strict=True)}
        left = WORK / len(trials)
        for (operator, _, node), like in zip(made, run(given), strict=True):
            left -= _compare(str(operator), node, _stored(node, np.asarray(like)), known, left)


def _stored(node: Node, given: np.ndarray) -> np.ndarray:
    """The reference's value in the node's type."""
    if node.type.dtype == "int8":
        return signed(given, "a result")
    return given.astype(node.type.dtype)


def _compare(
    what: str, node: Node, given: np.ndarray, known: dict[Node, np.ndarray], left: float
) -> float:
    """The work that it took; `known` then has the reference's value."""
    if given.shape != node.type.shape:
        raise UnsupportedError(
            f"{what} makes a tensor of shape {given.shape}, which Trainlet would compute as "
            f"{node.type.shape}"
        )
    missing = missing_nodes(node, known)
    cost = sum(map(work, missing))
    if cost > left / 4 or any(n.is_leaf for n in missing):
        known.setdefault(node, given)
        return 0
    made = {node: known[node]} if node in known else computed(missing, known)
    ours, read = made.pop(node), [known[i] for n in missing for i in n.inputs if i in known]
    if node.type.dtype == "int8" and np.abs(ours.astype(int) - given).max(initial=0) <= STEPS:
        known[node] = given
    else:
        known[node] = agreed(what, "the reference of ONNX", ours, given, read)
    known |= made
    return cost


class Reference:
    """Computes the tensors of these names."""

    def __init__(self, proto: Any, names: Sequence[str]) -> None:
        self.names = list(names)
        onnx = package()
        self.proto = onnx.ModelProto()
        self.proto.CopyFrom(proto)
        del self.proto.graph.output[:]
        self.proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in self.names)
        self.session = self._session()

    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError:
            return None
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(
                self.proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # an operator or a version that this release does not have
            return None

    def __call__(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Raises UnsupportedError if it fails."""
        if not self.names:
            return []
        try:
            if self.session is not None:
                return self.session.run(self.names, inputs)
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(self.proto).run(self.names, inputs)  # type: ignore[return-value]
        except Exception as error:
            raise UnsupportedError(
                f"the network cannot be compared with onnxruntime: {type(error).__name__}: "
                f"{str(error)[:300]}; load(path, check=False) leaves the comparison out"
            ) from None
