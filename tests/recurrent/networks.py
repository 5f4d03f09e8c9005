"""A recurrent layer with a linear head, and a training step of it beside autograd's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl

CLASSES, RATE = 5, 0.1
READS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "last step": lambda y, h: y[-1],
    "last state": lambda y, h: h[-1],
    "mean": lambda y, h: y.mean(0),
    "first step": lambda y, h: y[0],
}


class Recurrent(nn.Module):
    """logits of what `reads` says of the layer's outputs [T, N, units] and last states."""

    def __init__(self, layer: nn.RNNBase, reads: str = "last step") -> None:
        super().__init__()
        self.layer, self.reads = layer, READS[reads]
        self.fc = nn.Linear((1 + layer.bidirectional) * layer.hidden_size, CLASSES)
        if reads == "last state":
            self.fc = nn.Linear(layer.hidden_size, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y, state = self.layer(x)
        h = state[0] if isinstance(state, tuple) else state
        return self.fc(self.reads(y.transpose(0, 1) if self.layer.batch_first else y, h))


def batch(layer: nn.RNNBase, steps: int, rows: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels, the same for each call."""
    draw = torch.Generator().manual_seed(1)
    shape = (rows, steps) if layer.batch_first else (steps, rows)
    x = torch.randn(*shape, layer.input_size, generator=draw)
    return x, torch.randint(0, CLASSES, (rows,), generator=draw)


def compiled(model: nn.Module, x: Tensor, scheme: tl.UpdateScheme | str) -> Any:
    chosen = tl.schemes.preset(scheme, model) if isinstance(scheme, str) else scheme
    return tl.compile(model, x, chosen, target="host", optimizer=tl.SGD(lr=RATE))


def check_step(model: nn.Module, program: Any, x: Tensor, y: Tensor, built: bool = False) -> None:
    """Loss and updates of one step equal autograd's; the C's, too, if it is built."""
    given = x.numpy(), y.numpy().astype(np.int32)
    loss, _, state = tl.evaluate(program, *given)
    runs = [(loss, state)]
    if built:
        with program.build("host") as trainer:
            runs.append((trainer.step(*given), trainer.state()))
    model.zero_grad()
    expected = F.cross_entropy(model(x), y)
    expected.backward()
    for found, new in runs:
        assert abs(found - expected.item()) < 1e-5 * max(1.0, expected.item())
        for name, p in model.named_parameters():
            if name in new:
                assert p.grad is not None
                moved = (p.detach().numpy() - new[name]) / RATE
                limit = 2e-5 * max(1e-2, p.grad.abs().max().item()) + 2e-6
                np.testing.assert_allclose(moved, p.grad.numpy(), rtol=0, atol=limit, err_msg=name)
