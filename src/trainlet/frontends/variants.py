"""The forward graphs of one network that different options ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.frontends.calibration import example_inputs as float_inputs
from trainlet.frontends.indices import SENSED
from trainlet.frontends.network import import_network
from trainlet.frontends.quantized import Network, integer_graph
from trainlet.frontends.torch import example_inputs as shown_inputs
from trainlet.ir.graph import Graph
from trainlet.ops.objective import Loss
from trainlet.ops.quantized.precision import Int8
from trainlet.progress import stage

NOISE = 32
"""Samples that stand for calibration where only sizes are asked for."""


class Variants:
    """Makes each graph at most once.

    graph:       of the network as it is
    example:     its inputs; None where the network tells them
    calibration: None of a float network that is to be trained in float32
    check:       whether graphs of integers are compared with torch
    losses:      outputs that none of these reads are left out; None for all
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        example: Any,
        calibration: Any,
        check: bool,
        losses: Sequence[Loss] | None = None,
    ) -> None:
        self.network, self.calibration = network, calibration
        self.example: tuple[torch.Tensor, ...] = tuple(
            () if example is None else float_inputs(example)
        )
        self.check, self.losses = check, losses
        self.batch = len(self.example[0]) if isinstance(network, torch.nn.Module) else None
        self._floats: dict[int | None, Graph] = {None: graph, self.batch: graph}
        self._integers: dict[Any, Graph] = {}

    def forward(self, precision: Int8 | None, batch: int | None, trained: Collection[str]) -> Graph:
        """The graph in float32 (None) or int8, for another batch size than the example's or None,
        of which these parameters will learn."""
        example = self.example if batch is None else tuple(_first(x, batch) for x in self.example)
        if precision is None:
            if batch not in self._floats:
                self._floats[batch] = import_network(self.network, example, losses=self.losses)
            return self._floats[batch]
        key = precision.float_head, precision.calibration, batch, tuple(trained)
        if key not in self._integers:
            stage("quantize")
            given = example or None
            self._integers[key] = integer_graph(
                self.network, given, self._shown(), precision, trained, self.check, self.losses
            )
        return self._integers[key]

    def _shown(self) -> Any:
        """Calibration; for a network that has none yet noise, since no size depends on it."""
        if self.calibration is not None or isinstance(self.network, Graph):
            return self.calibration
        given = self.example
        if not given and isinstance(self.network, ExportedProgram):
            given = shown_inputs(self.network)
        seeded = torch.Generator().manual_seed(0)
        return [tuple(_noise(x, seeded) for x in given)]


def _noise(like: torch.Tensor, seeded: torch.Generator) -> torch.Tensor:
    shape = NOISE, *like.shape[1:]
    if like.dtype in SENSED:
        limits = torch.iinfo(like.dtype)
        return torch.randint(limits.min, limits.max + 1, shape, generator=seeded, dtype=like.dtype)
    return torch.randn(shape, generator=seeded)


def _first(x: torch.Tensor, batch: int) -> torch.Tensor:
    """So many examples; where there are fewer they are repeated."""
    return torch.cat([x] * -(-batch // len(x)))[:batch]
