"""What the frozen layers make is computed once, and changes no bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from int8.networks import quantised
from trainlet.ir.storage import storage

EXPERIMENTS, SAMPLES, STEPS = 3, 7, 3
HEAD = {"head.weight": 1.0, "head.bias": 1.0}


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(6 * 16, 3)).eval()


class TwoWays(nn.Module):
    """The second output depends on no parameter that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4 * 36, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        body = self.body(x).relu()
        return {"logits": self.head(body.flatten(1)), "body": body.mean((2, 3))}


def programs():
    torch.manual_seed(0)
    x = torch.zeros(2, 2, 8, 8)
    for name, scheme in (("last", "last"), ("middle", {"2.weight": 0.5}), ("all", "full")):
        yield pytest.param(
            lambda s=scheme: tl.compile(convolutions(), x, s, target="host"), id=name
        )
    yield pytest.param(
        lambda: tl.compile(TwoWays().eval(), x, HEAD, target="host"), id="another output"
    )

    def integers():
        graph, _ = quantised("ds_cnn")
        names = [n.name for n in graph.leaves("param")]
        scheme = {name: 1.0 for name in names[-6:]}
        return tl.compile(graph, None, scheme, target="host", precision=tl.Int8(gradient="int8"))

    yield pytest.param(integers, id="int8")


@pytest.mark.parametrize("make", [*programs()])
def test_a_front_gives_the_same_bits(make):
    made, rng = make(), np.random.default_rng(0)
    leaf = made.inputs[0]
    batch, *sample = storage(leaf).shape
    pool = rng.standard_normal((SAMPLES, *sample)).astype(np.float32)
    whole, begun = (tl.simulate(made, EXPERIMENTS) for _ in range(2))
    front = begun.front(pool)
    for _ in range(STEPS):
        rows = rng.integers(0, SAMPLES, (EXPERIMENTS, batch))
        y = rng.integers(0, 3, (EXPERIMENTS, batch))
        np.testing.assert_array_equal(
            whole.step(pool[rows], y, 0.1), begun.step(front[rows], y, 0.1)
        )
    for k in range(EXPERIMENTS):
        assert whole.save(k) == begun.save(k)
    for rows in (rng.integers(0, SAMPLES, (n, 5)) for n in (EXPERIMENTS, 1)):
        one, other = whole.predict(pool[rows]), begun.predict(front[rows])
        for name in one if isinstance(one, dict) else [...]:
            np.testing.assert_array_equal(one[name], other[name])


def test_frozen_layers_run_once():
    """The first convolution is no part of a step that begins at a front."""
    made = tl.compile(convolutions(), torch.zeros(1, 2, 8, 8), "last", target="host")
    begun = tl.simulate(made, 1)._rest_of_step
    assert not [step for step in begun.steps if step.node.op == "conv2d"]
    assert [step for step in tl.simulate(made, 1)._step.steps if step.node.op == "conv2d"]
