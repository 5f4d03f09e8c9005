"""What devices share that run the graphs of a program themselves, in NumPy or with a library."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.backends.interface import interface_of
from trainlet.planning.program import Program
from trainlet.run.device import Closing, Inputs, Targets, flat_inputs, flat_targets


class GraphDevice(Closing):
    """A program, and the values of what it trains, by name."""

    instructions: int | None = None
    values: dict[str, Any]

    def __init__(self, program: Program) -> None:
        self.program, self.interface = program, interface_of(program)

    def stack_used(self) -> int:
        return 0

    def close(self) -> None:
        self.values = {}

    def fed(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """The inputs by the names of their leaves; raises DataError."""
        pairs = zip(self.program.inputs, flat_inputs(self.interface, inputs), strict=True)
        return {n.name: a.reshape(n.type.shape) for n, a in pairs}

    def wanted(self, target: Targets) -> dict[str, np.ndarray]:
        """The targets by the names of their leaves; raises DataError."""
        pairs = zip(self.program.targets, flat_targets(self.interface, target), strict=True)
        return {n.name: a.reshape(n.type.shape) for n, a in pairs}
