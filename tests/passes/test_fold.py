"""Where a batch norm folds into what comes before it, and where it must stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from fuzz.networks import lively
from networks.gradients import oracle_gradients
from networks.reference import run_sgd, worst
from trainlet import UpdateScheme
from zoo import Case


class Normed(nn.Module):
    """A convolution and its norm; `again` is whether somebody else reads the convolution too."""

    def __init__(self, bias: bool, again: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 1)
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4)
        self.head, self.again = nn.Linear(4, 3), again

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(torch.tanh(self.first(x)))
        z = self.norm(y)
        return self.head(torch.tanh(z + y if self.again else z).mean((2, 3)))


def case(bias: bool, again: bool) -> Case:
    torch.manual_seed(3)
    model = lively(Normed(bias, again))
    return Case(model, torch.randn(2, 2, 6, 5), torch.tensor([0, 2]), 3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("learns", "again", "folds"),
    [
        ({"first.weight": 1}, False, True),
        ({"first.weight": 1, "norm.bias": 1}, False, True),
        ({"first.weight": 1}, True, False),
        ({"first.weight": 1, "norm.weight": 1}, False, False),
        ({"first.weight": 1, "conv.weight": 1}, False, False),
    ],
)
def test_folding_changes_no_gradient(bias, learns, again, folds):
    own = case(bias, again)
    graph = tl.prepare(own.model, own.x, check=False)
    scheme = {**learns, "head.weight": 1.0}
    folded = tl.train(graph, scheme, stop_after="fold").step
    assert any(n.name.endswith("folded") for n in folded.leaves("const")) >= folds
    assert not any(n.op == "batch_norm" for n in folded.nodes())
    scaled = sum(n.op == "mul" for n in folded.nodes())
    assert scaled == 0 if folds else scaled >= 1
    chosen = UpdateScheme(scheme)
    _, expected = run_sgd(own, chosen)
    error, where = worst(oracle_gradients(graph, own, chosen), expected)
    assert error <= 1e-5, where


class OfTokens(nn.Module):
    """A norm over the tokens, which are as many as the outputs of the layer before it, or not."""

    def __init__(self, tokens: int, outputs: int) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(3, outputs), nn.BatchNorm1d(tokens)
        self.head = nn.Linear(tokens * outputs, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.layer(x)).flatten(1))


@pytest.mark.parametrize("outputs", [4, 1, 5])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_norm_over_another_axis_than_the_layer_s_outputs_stays(outputs, precision):
    torch.manual_seed(0)
    model, x = lively(OfTokens(4, outputs)), torch.randn(8, 4, 3)
    more = {"precision": "int8", "calibration": [x]} if precision == "int8" else {}
    program = tl.compile(model, x[:1], "last", target="host", **more)
    found = tl.evaluate(program, x[:1].numpy(), [1])[1]
    with torch.no_grad():
        wanted = model(x[:1]).numpy()
    assert np.abs(found - wanted).max() < (1e-5 if precision == "float32" else 0.1)
