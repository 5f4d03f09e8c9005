"""What the frozen layers make of samples, computed once for all experiments and all epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import RATE, is_target
from trainlet.planning.program import Program

AT_ONCE = 64
"""Batches whose frozen part is computed at once."""


@dataclass(frozen=True)
class Front:
    """The values at the boundary between the frozen layers and those that learn.

    values: of each node of the boundary [*rows, *sample], the batch axis left out; `front[rows]`
    chooses rows, as an array's index does: [n, ..] becomes [E, batch, ..]
    """

    values: Mapping[Node, Tensor]

    def __getitem__(self, rows: ArrayLike) -> Front:
        index = torch.from_numpy(np.asarray(rows, np.int64))
        return Front({n: v[index.to(v.device)] for n, v in self.values.items()})

    @property
    def shape(self) -> tuple[int, int]:
        """Experiments and samples of a front that `[rows]` chose."""
        first = next(iter(self.values.values()))
        return first.shape[0], first.shape[1]

    def batches(self, batch: int) -> dict[Node, Tensor]:
        """[E * batches, batch, *sample] of each node, an experiment's batches together."""
        return {n: v.reshape(-1, batch, *v.shape[2:]) for n, v in self.values.items()}


def boundary(program: Program) -> list[Node]:
    """The nodes that depend on the model's inputs alone, and are read by a node that also depends
    on what training changes, on a target or on the rate; outputs of the model included.

    The inputs themselves, if a batch is not the first axis of each of these nodes.
    """
    inputs = set(program.inputs)
    moving, fed = set[Node](), set[Node]()
    nodes = program.graph.nodes()
    for n in nodes:
        changes = n.op in ("param", "state") or n.name == RATE or is_target(n)
        if (changes and n.is_leaf) or any(i in moving for i in n.inputs):
            moving.add(n)
        elif n in inputs or any(i in fed for i in n.inputs):
            fed.add(n)
    read = {i for n in moving for i in n.inputs if i in fed}
    read |= {n for n in program.outputs.values() if n in fed}
    found = [n for n in nodes if n in read]
    batch = program.inputs[0].type.shape[0]
    sampled = all(n.type.rank and n.type.shape[0] == batch for n in found)
    return found if sampled else list(program.inputs)


def front_graph(nodes: list[Node]) -> Graph:
    """What computes the boundary."""
    return Graph({str(k): n for k, n in enumerate(nodes)})
