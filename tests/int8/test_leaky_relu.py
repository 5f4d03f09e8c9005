"""LeakyReLU in integers: its gradient stays in integers and is close to torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from int8.real import torch_gradients
from int8.test_integer_gradients import Task, correlation, gradients
from trainlet.frontends.pt2e import quantize_module
from trainlet.run.simulated import OracleDevice


class Leaky(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2)
        self.head = nn.Linear(8, 4)
        self.one, self.other = nn.LeakyReLU(0.1), nn.LeakyReLU(0.3, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.other(self.second(self.one(self.first(x)))).mean((2, 3)))


@pytest.fixture(scope="module")
def leaky() -> Task:
    torch.manual_seed(0)
    model, x = Leaky().eval(), torch.randn(1, 3, 9, 9)
    graph = quantize_module(model, x, [torch.randn(8, 3, 9, 9).numpy(), x.numpy()])
    scheme = {n.name: 1.0 for n in graph.leaves("param")}
    return Task(graph, scheme, x.numpy(), np.array([1]))


@pytest.mark.parametrize(
    ("gradient", "least"), [("float32", 0.9999), ("int16", 0.999), ("int8", 0.99)]
)
def test_gradients_are_torchs(leaky, gradient, least):
    _, wanted = torch_gradients(leaky.graph, leaky.scheme, leaky.x, leaky.y, rounded=True)
    found = gradients(leaky, gradient)
    assert set(found) == set(wanted) and len(found) == 6
    for name, value in found.items():
        assert correlation(value, wanted[name]) > least, name


def test_no_float_between_the_layers(leaky):
    precision = tl.Int8(gradient="int16")
    program = tl.compile(leaky.graph, None, leaky.scheme, target="host", precision=precision)
    ops = [n.op for n in program.graph.nodes()]
    assert ops.count("leaky_relu_i8") == ops.count("leaky_relu_bfp_dx") == 2
    assert ops.count("to_bfp") == 1 and "from_bfp" not in ops  # the head's gradient is float32


@pytest.mark.parametrize("gradient", ["float32", "int16", "int8"])
def test_the_host_has_the_bits_of_the_oracle(leaky, gradient):
    precision = tl.Int8(gradient=gradient)
    program = tl.compile(leaky.graph, None, leaky.scheme, target="host", precision=precision)
    oracle = tl.Trainer(program, OracleDevice(program))
    with program.build("sanitized") as host:
        for _ in range(3):
            assert host.step(leaky.x, leaky.y) == pytest.approx(
                oracle.step(leaky.x, leaky.y), rel=1e-5
            )
        for name, value in oracle.state().items():
            np.testing.assert_allclose(
                host.state()[name], value, rtol=1e-5, atol=1e-5, err_msg=name
            )
