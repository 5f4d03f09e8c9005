"""The ops' samples as nodes and arrays, and a small evaluator of nodes over the ops' `eval`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainlet.ir.graph import Node, topological
from trainlet.ops.op import OPS, Op, Sample, build, leaf


@dataclass(frozen=True)
class Case:
    """One sample of one op."""

    op: Op
    number: int

    @property
    def sample(self) -> Sample:
        return self.op.samples[self.number]

    def __str__(self) -> str:
        return f"{self.op.name}-{self.number}"

    @property
    def rounds(self) -> bool:
        """Whether integers make it a function of steps; test_integers.py has its gradients."""
        return not {"int8", "int16"}.isdisjoint(
            t.dtype for t in (*self.sample.types, self.node().type)
        )

    def rng(self) -> np.random.Generator:
        """The same for every run of this case."""
        return np.random.default_rng(zlib.crc32(str(self).encode()))

    def node(self) -> Node:
        """The op on leaves of the sample's types."""
        inputs = [leaf("input", f"x{k}", t) for k, t in enumerate(self.sample.types)]
        return build(self.op.name, *inputs, **self.sample.attrs)

    def draw(self) -> list[np.ndarray]:
        """Inputs of the sample's types, away from the op's kinks."""
        rng, arrays = self.rng(), []
        for k, kind in enumerate(self.sample.types):
            own = self.sample.values.get(k)
            array = np.array(own(rng) if own else rng.standard_normal(kind.shape), kind.dtype)
            for kink in self.op.kinks(self.sample.attrs):
                array[np.abs(array - kink) < 1e-3] += 0.01
            arrays.append(array)
        return arrays


CASES = [Case(op, k) for op in OPS.values() for k in range(len(op.samples))]


def leaves(node: Node, arrays: list[np.ndarray], dtype: str) -> dict[Node, np.ndarray]:
    """The node's inputs with their values; floats in `dtype`."""
    return {
        n: a.astype(dtype) if a.dtype.kind == "f" else a
        for n, a in zip(node.inputs, arrays, strict=True)
    }


def evaluate(root: Node, values: Mapping[Node, np.ndarray]) -> np.ndarray:
    """The value of `root`, given those of the leaves."""
    known = dict(values)
    for n in topological([root]):
        if n not in known:
            result = OPS[n.op].eval(*(known[i] for i in n.inputs), **n.attrs)
            known[n] = np.asarray(result)
    return known[root]
