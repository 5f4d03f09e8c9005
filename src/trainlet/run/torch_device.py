"""PyTorch as a device: a step's graph run operator by operator, compiled, or from a package."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainlet.backends.aten.module import Traced
from trainlet.backends.aten.package import load_package, write_package
from trainlet.backends.aten.stages import modules_of
from trainlet.errors import DivergedError
from trainlet.ir.roles import RATE
from trainlet.planning.blob import Saved
from trainlet.planning.program import APPLY, PREDICT, STEP, Program
from trainlet.run.device import Inputs, Targets, flat_targets
from trainlet.run.graph_device import GraphDevice
from trainlet.run.simulated import LOST, OVERFLOWED
from trainlet.run.teaching import taught

Runner = Callable[..., tuple[Tensor, ...]]


def _packaged(traced: Traced) -> Runner:
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        path = Path(work) / "stage.pt2"
        write_package(traced, path)
        return load_package(path)


WAYS: dict[str, Callable[[Traced], Runner]] = {
    "eager": lambda traced: traced.module,
    "inductor": _packaged,
    "torch.compile": lambda traced: torch.compile(traced.module, fullgraph=True, dynamic=False),
}
"""How a graph is run, by the name of the device."""


class TorchDevice(GraphDevice):
    """The trainer's state as tensors, which a step overwrites as soon as their gradients exist.

    Where the program rolls back, a step keeps a copy of what it changes until the new values have
    been found finite.
    """

    values: dict[str, Tensor]

    def __init__(self, program: Program, way: str) -> None:
        super().__init__(program)
        self.graphs = modules_of(program)
        self.placement = self.graphs[STEP].placement
        self.runners = {name: WAYS[way](traced) for name, traced in self.graphs.items()}
        self.init()

    def init(self) -> None:
        program, tensor = self.program, self.placement.tensor
        self.values = {n.name: tensor(n, program.initial(n)) for n in program.kept}
        self.pending = 0

    @torch.no_grad()
    def _run(self, name: str, fed: Mapping[str, Any]) -> tuple[Tensor, ...]:
        given = [
            self.values[n.name] if n.name in self.values else self.placement.tensor(n, fed[n.name])
            for n in self.graphs[name].leaves
        ]
        return tuple(self.runners[name](*given))

    def predict(self, inputs: Inputs) -> np.ndarray:
        found = self._run(PREDICT, self.fed(inputs))
        return np.concatenate([_array(t).reshape(-1) for t in found])

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        rate = {RATE: np.asarray(lr, np.float32)}
        kept = [self.values[n.name] for n in self.program.kept]
        before = [t.clone() for t in kept] if self.program.rollback else None
        loss = float(self._run(STEP, {**self.fed(inputs), **self.wanted(target), **rate})[0])
        pending = self.pending + 1
        if np.isfinite(loss) and pending == self.program.accumulate and APPLY in self.runners:
            self._run(APPLY, rate)
        if before is not None:
            self._judge(loss, kept, before)
        if not np.isfinite(loss):
            raise DivergedError(LOST)
        self.pending = pending % self.program.accumulate
        return loss

    def observe(self, inputs: Inputs, target: Targets) -> None:
        (labels,) = flat_targets(self.interface, target)
        names, found = self.graphs[PREDICT].outputs, self._run(PREDICT, self.fed(inputs))
        arrays = {name: _array(t) for name, t in zip(names, found, strict=True)}
        sums = self.values[self.program.prototypes]
        for name, new in taught(self.program, arrays, labels, _array(sums)).items():
            self.values[name].copy_(torch.from_numpy(new))

    def _judge(self, loss: float, kept: list[Tensor], before: list[Tensor]) -> None:
        """Restore the values from before a step that diverged."""
        finite = [t.isfinite().all() for t in kept if t.is_floating_point()]
        if np.isfinite(loss) and bool(torch.stack(finite).all()):
            return
        for new, old in zip(kept, before, strict=True):
            new.copy_(old)
        raise DivergedError(OVERFLOWED if np.isfinite(loss) else LOST)

    def save(self) -> bytes:
        arrays = {n.name: _array(self.values[n.name]) for n in self.program.kept}
        return self.program.layout.pack(Saved(arrays, self.pending))

    def load(self, blob: bytes) -> None:
        saved = self.program.layout.unpack(blob)
        for name, array in saved.arrays.items():
            self.values[name].copy_(torch.from_numpy(array))
        self.pending = saved.pending


def _array(t: Tensor) -> np.ndarray:
    """NumPy has no bfloat16."""
    return (t.float() if t.dtype == torch.bfloat16 else t).cpu().numpy()
