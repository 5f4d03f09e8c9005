"""Permutes go through an operator as its record says, and the function stays the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passes.stages import after, logits, ops


class Between(nn.Module):
    """A function of maps [1, 4, 6, 5] between two convolutions."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 3, 1)
        self.small = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.function(self, self.first(x)))


FUNCTIONS = {
    "a small operand first": lambda m, h: m.small * h,
    "a row of sums": lambda m, h: h.mean(2, keepdim=True),
    "a part of an axis": lambda m, h: h[:, :, 1:4],
    "two joined": lambda m, h: torch.cat([h, h * 2], 3),
    "a border": lambda m, h: nn.functional.pad(h, (1, 0, 2, 1)),
    "a slope": lambda m, h: nn.functional.leaky_relu(h),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_permute_is_left_between_two_convolutions(name):
    torch.manual_seed(0)
    model, x = Between(FUNCTIONS[name]).eval(), torch.randn(1, 2, 6, 5)
    graph = after("layout", model, x, {"first.weight": 1.0})
    assert ops(graph).count("permute") == 1, "the result alone is as the user has it"
    np.testing.assert_allclose(logits(graph, x), model(x).detach(), rtol=1e-5, atol=1e-6)
