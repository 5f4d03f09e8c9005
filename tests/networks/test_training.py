"""Several steps with each optimiser, and sums of gradients, against PyTorch's own."""

from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from networks.reference import in_float64
from trainlet.run.simulated import OracleDevice
from zoo import NETWORKS

STEPS = 6
OPTIMIZERS = {
    "sgd": (tl.SGD(0.02), lambda p: torch.optim.SGD(p, 0.02)),
    "momentum": (tl.SGD(0.02, momentum=0.9), lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
    "adam": (tl.Adam(0.002, eps=1e-3), lambda p: torch.optim.Adam(p, 0.002, eps=1e-3)),
    "rmsprop": (tl.RMSprop(0.002, eps=1e-3), lambda p: torch.optim.RMSprop(p, 0.002, eps=1e-3)),
}


def examples() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    case = NETWORKS["audio_conv1d"](STEPS)
    return case.model, case.x, case.y


def follow(make, accumulate: int) -> tuple[list[float], dict[str, np.ndarray]]:
    """PyTorch's losses, an example a step, and its parameters after the last."""
    model, x, y = examples()
    model, losses = deepcopy(model).double(), []
    optimizer = make(model.parameters())
    with in_float64():
        for k in range(STEPS):
            loss = F.cross_entropy(model(x[k : k + 1].double()), y[k : k + 1])
            (loss / accumulate).backward()
            losses.append(loss.item())
            if (k + 1) % accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
    return losses, {name: p.detach().numpy() for name, p in model.named_parameters()}


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_and_parameters(name, accumulate):
    ours, theirs = OPTIMIZERS[name]
    losses, parameters = follow(theirs, accumulate)
    model, x, y = examples()
    before = {k: v.detach().numpy().copy() for k, v in model.named_parameters()}
    program = tl.compile(model, x[:1], "full", optimizer=ours, accumulate=accumulate, target="host")
    with program.build("host") as host:
        for trainer in (host, tl.Trainer(program, OracleDevice(program))):
            for k, expected in enumerate(losses):
                found = trainer.step(x[k : k + 1], y[k : k + 1])
                assert found == pytest.approx(expected, rel=1e-4), k
            for key, value in trainer.state().items():
                way = np.abs(parameters[key] - before[key]).max()
                assert np.abs(value - parameters[key]).max() <= 1e-3 * way, key
