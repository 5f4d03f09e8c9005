"""A step of a program beside torch's autograd, and its C beside the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import trainlet as tl
from catalogue.exact import exact_meanings
from soak.check import kernels
from trainlet.run.simulated import ArenaDevice, OracleDevice

RATE = 0.1


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


def perceptron() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return Perceptron().eval(), torch.randn(3, 6)


def first_step(
    model: nn.Module, names: Mapping[Any, Any], loss: Callable[[], Tensor]
) -> tuple[float, dict[str, np.ndarray]]:
    """torch's loss, and the named parameters after a step of SGD; of a name with a mask only the
    part where that is 1 learns."""
    value = loss()
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(value, [parameters[n] for n in names], allow_unused=True)
    found = {}
    for (name, mask), g in zip(names.items(), gradients, strict=True):
        step = torch.zeros_like(parameters[name]) if g is None else mask * g
        found[name] = (parameters[name] - RATE * step).detach().numpy()
    return value.item(), found


def check_step(
    program: tl.CompiledProgram, x: Any, y: Any, loss: float, state: Mapping[str, np.ndarray]
) -> None:
    """The oracle's first step is torch's."""
    trainer = tl.Trainer(program, OracleDevice(program))
    np.testing.assert_allclose(trainer.step(x, y, RATE), loss, rtol=2e-5, atol=1e-7)
    learnt = trainer.state()
    assert set(learnt) == set(state)
    for name, wanted in state.items():
        np.testing.assert_allclose(learnt[name], wanted, rtol=1e-5, atol=3e-6, err_msg=name)


def check_bits(program: tl.CompiledProgram, x: Any, y: Any, *devices: str) -> None:
    """The arena and the C compute the oracle's bits: outputs, losses and states of three steps."""
    with exact_meanings(kernels()):
        wanted = trace(tl.Trainer(program, OracleDevice(program)), x, y)
        assert trace(tl.Trainer(program, ArenaDevice(program)), x, y) == wanted
    for device in devices or ("host",):
        with program.build(device, count=False) as trainer:
            assert trace(trainer, x, y) == wanted, device


def trace(trainer: tl.Trainer, x: Any, y: Any) -> list[object]:
    found: list[object] = []
    for _ in range(3):
        made = trainer.predict(x)
        outputs = made.values() if isinstance(made, dict) else [made]
        found += [array.tobytes() for array in outputs]
        found += [trainer.step(x, y, RATE), trainer.save()]
    return found
