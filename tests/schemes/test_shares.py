"""A share of a weight's input channels is a whole number of them; which weights learn in part."""

import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.ops.op import kept


@pytest.mark.parametrize(
    ("channels", "ratio", "learn"),
    [(8, 1.0, 8), (5, 0.5, 3), (7, 0.5, 4), (10, 0.25, 3), (10, 0.24, 2), (3, 0.1, 1)],
)
def test_a_share_is_rounded_to_the_nearest_and_never_to_none(channels, ratio, learn):
    assert kept(channels, ratio) == learn


class Pointwise(nn.Module):
    """A convolution of one tap in one dimension, whose weight is a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.learns, self.head = nn.Conv1d(6, 8, 1, stride=2), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.learns(x).relu().mean(2))


class Twice(nn.Module):
    """A layer of one input channel that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.learns, self.head = nn.Conv1d(1, 8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = (self.learns(part).relu().mean(2) for part in (x[:, :1], x[:, 1:2]))
        return self.head(a * b)


@pytest.mark.parametrize("kind", [Pointwise, Twice])
def test_a_weight_learns_in_part_whatever_shape_it_is_read_in(kind) -> None:
    torch.manual_seed(0)
    found = tl.check(kind().eval(), torch.randn(2, 6, 9), {"learns.weight": 0.5})
    assert found.same and [row.name for row in found.rows] == ["loss", "learns.weight"]
