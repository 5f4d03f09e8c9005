"""Batch-norm with frozen statistics: folded into what comes before it, or kept as an affine.

It is folded wherever the gradients that remain are those of the user's own parameters: a frozen
convolution takes the factor into its weight and the term into its bias, and a trained `beta` is
stored together with that term.  Where the convolution's weight or `gamma` is trained, the affine
stays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainlet.ir.graph import Graph, Node, unused, users
from trainlet.ir.storage import storage, user_axis
from trainlet.ir.types import TensorType
from trainlet.ops.norm import BATCH_NORM
from trainlet.ops.op import OPS, build, leaf


def fold_batch_norm(graph: Graph) -> Graph:
    """Every batch_norm becomes part of its convolution, or a mul and an add."""
    fold = _Fold(graph)
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        rebuilt = n.with_inputs(new[i] for i in n.inputs)
        if n.op == BATCH_NORM.name:
            rebuilt = fold.fold(rebuilt) if fold.foldable(n) else fold.affine(rebuilt)
        new[n] = rebuilt
    return Graph({k: new[n] for k, n in graph.outputs.items()}, fold.values)


class _Fold:
    def __init__(self, graph: Graph) -> None:
        self.values = dict(graph.values)
        self.readers = users(graph.nodes())

    def foldable(self, norm: Node) -> bool:
        before, gamma, beta = norm.inputs[:3]
        return (
            not before.is_leaf
            and OPS[before.op].channel_axis is not None
            and norm.attrs["axis"] % norm.type.rank == norm.type.rank - 1  # the layer's outputs
            and len(self.readers[before]) == 1
            and all(i.op == "const" for i in (*before.inputs[1:], gamma))
            and (beta.op == "const" or len(self.readers[beta]) == 1)
        )

    def fold(self, norm: Node) -> Node:
        before, gamma, beta, factor, term = norm.inputs
        x, weight, *bias = before.inputs
        scale = self.value(gamma) * self.value(factor)
        moved = self.value(gamma) * self.value(term)
        moved = moved + (self.value(bias[0]) * scale if bias else 0)
        user, channels = self.value(weight), OPS[before.op].channel_axis or 0
        axis = user_axis(storage(weight), weight.type.shape, channels)
        along = [-1 if k == axis else 1 for k in range(user.ndim)]
        name = self.add(f"{weight.name}.folded", user * scale.reshape(along))
        scaled = leaf("const", name, weight.type, storage=storage(weight))
        return build(before.op, x, scaled, self.moved(beta, moved), label=norm.name, **before.attrs)

    def affine(self, norm: Node) -> Node:
        x, gamma, beta, factor, term = norm.inputs
        rank, axis = x.type.rank, norm.attrs["axis"] % x.type.rank

        def along(op: str, map_: Node, vector: Node) -> Node:
            if axis != rank - 1:
                shape = (vector.type.size, *[1] * (rank - 1 - axis))
                vector = build("reshape", vector, shape=shape)
            return build(op, map_, vector, label=norm.name)

        if gamma.op == "param" or (beta.op == "param" and len(self.readers.get(beta, ())) > 1):
            normalised = along("add", along("mul", x, factor), term)
            return along("add", along("mul", normalised, gamma), beta)
        scale = self.value(gamma) * self.value(factor)
        shift = self.value(gamma) * self.value(term)
        name = self.add(f"{gamma.name}.factor", scale)
        scaled = along("mul", x, leaf("const", name, TensorType(scale.shape)))
        return along("add", scaled, self.moved(beta, shift))

    def moved(self, beta: Node, by: np.ndarray) -> Node:
        """beta + by, as one leaf."""
        if beta.op == "param":
            how = replace(storage(beta), offset=tuple(by.reshape(-1).tolist()))
            return leaf("param", beta.name, beta.type, storage=how)
        name = self.add(f"{beta.name}.folded", self.value(beta) + by)
        return leaf("const", name, beta.type)

    def value(self, node: Node) -> np.ndarray:
        return self.values[node.name]

    def add(self, name: str, value: np.ndarray) -> str:
        name = unused(name, self.values)
        self.values[name] = value.astype(np.float32)
        return name
