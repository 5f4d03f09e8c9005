"""What the frozen layers make of samples, computed once for all experiments and all epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import FEATURES
from trainlet.passes.front import boundary, handed_over
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


def boundary_of(program: Program) -> tuple[list[Node], Graph]:
    """Where the frozen layers end, in the graph of a step, and what computes the values there.

    The inputs themselves, if a batch is not the first axis of each node there.
    """
    made = program.stages.get(FEATURES)
    if made is not None:
        pairs = handed_over(made.graph, program.graph)
        return [there for _, there in pairs], _graph_of([here for here, _ in pairs])
    found = boundary(program.graph)
    batch = program.inputs[0].type.shape[0]
    sampled = all(n.type.rank and n.type.shape[0] == batch for n in found)
    found = found if sampled else list(program.inputs)
    return found, _graph_of(found)


def _graph_of(nodes: list[Node]) -> Graph:
    return Graph({str(k): n for k, n in enumerate(nodes)})
