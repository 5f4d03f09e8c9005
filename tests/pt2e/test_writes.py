"""What a network writes into slices and views, its quantised form computes too."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainlet.errors import UnsupportedError
from trainlet.frontends.pt2e import quantize_module

from .support import decibels, draw, run

Write = Callable[[Tensor], Tensor]


class Written(nn.Module):
    def __init__(self, write: Write) -> None:
        super().__init__()
        self.first, self.head, self.write = nn.Conv2d(2, 4, 3), nn.Linear(4 * 9, 3), write

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.write(self.first(x)).flatten(1))


def scaled_half(h: Tensor) -> Tensor:
    h[:, :2].mul_(3)
    return h


def constant_channel(h: Tensor) -> Tensor:
    h[:, -1:] = 0.5
    return h


def through_a_view(h: Tensor) -> Tensor:
    h.flatten(1)[:, 5:20].add_(2)
    return h


def clamped_part(h: Tensor) -> Tensor:
    """Read under its old name after a part of it was clamped in place."""
    part = h[:, 1:3]
    part.relu_()
    return h + part.mean(1, keepdim=True)


@pytest.mark.parametrize(
    "write", [scaled_half, constant_channel, through_a_view, clamped_part], ids=lambda w: w.__name__
)
def test_near_the_float_network(write):
    torch.manual_seed(1)
    model, rng = Written(write).eval(), np.random.default_rng(0)
    batches = [draw(rng, 8, 2, 5, 5) for _ in range(4)]
    x = draw(rng, 1, 2, 5, 5)
    graph = quantize_module(model, x, batches)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    assert decibels(wanted, run(graph, x)) > 25


class IntoItsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x[:, 2:4] *= 2
        return self.head(x)


def test_a_network_that_writes_into_its_input():
    torch.manual_seed(1)
    model, x = IntoItsInput().eval(), draw(np.random.default_rng(0), 8, 6)
    graph = quantize_module(model, x[:1], [x.copy()])
    with torch.no_grad():
        wanted = model(torch.from_numpy(x[:1].copy())).numpy()
    assert decibels(wanted, run(graph, x[:1])) > 25


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)  # type: ignore[operator]
        return self.head(x) * self.calls


def test_a_buffer_that_counts_is_refused():
    x = np.zeros((1, 3), np.float32)
    with pytest.raises(UnsupportedError, match="changes the buffer 'calls' in forward"):
        quantize_module(Counting().eval(), x, [np.ones((2, 3), np.float32)])


def test_a_write_that_leaves_nothing_of_the_input_is_refused():
    class Overwritten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            h = self.layer(x) + 0.1
            h[:, -1:] = 0.3
            return h.flatten(1)

    x = draw(np.random.default_rng(0), 2, 4)
    with pytest.raises(UnsupportedError, match="does not depend on the input 'x'"):
        quantize_module(Overwritten().eval(), x, [x])
