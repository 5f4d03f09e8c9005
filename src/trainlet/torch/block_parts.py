"""A deep network in parts, and what equal parts share: compiled graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import Module

from trainlet.backends.aten.module import Traced
from trainlet.ir.graph import Node
from trainlet.run.torch_device import Runner


@dataclass(frozen=True)
class Call:
    """A compiled graph.  A package reads memory as what it was compiled for, so what is fed gets
    that type: tokens are int32."""

    run: Runner
    graph: Traced

    def __call__(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        dtype = self.graph.placement.dtype
        given = [values[n.name].reshape(n.type.shape).to(dtype(n)) for n in self.graph.leaves]
        return dict(zip(self.graph.outputs, self.run(*given), strict=True))


@dataclass(frozen=True)
class Kind:
    """What equal parts with equal schemes share."""

    forward: Call | None
    backward: Call | None
    states: Mapping[Node, Any]


@dataclass
class Part:
    """A part of the network: the prefix of its parameters, and its tensors by the names in the
    kind's graphs, which a step overwrites."""

    prefix: str
    module: Module
    learning: frozenset[str]
    kind: Kind
    values: dict[str, Tensor]
