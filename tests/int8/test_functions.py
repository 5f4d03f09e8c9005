"""Functions of elements between layers of integers: tables forward, and torch's gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from int8.real import torch_gradients
from int8.test_integer_gradients import Task, correlation, gradients
from trainlet.frontends.pt2e import quantize_module
from trainlet.run.simulated import OracleDevice

FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
    "hard_shrink": lambda: nn.Hardshrink(0.2),
    "prelu": lambda: nn.PReLU(8),
}


class Between(nn.Module):
    def __init__(self, function: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2)
        self.head = nn.Linear(8, 4)
        self.one, self.other, self.pool = function(), function(), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.pool(self.one(self.first(x)))
        return self.head(self.other(self.second(kept)).mean((2, 3)))


def task(name: str) -> Task:
    torch.manual_seed(0)
    model, x = Between(FUNCTIONS[name]).eval(), torch.randn(1, 3, 18, 18)
    graph = quantize_module(model, x, [torch.randn(8, 3, 18, 18).numpy(), x.numpy()])
    scheme = {n.name: 1.0 for n in graph.leaves("param")}
    return Task(graph, scheme, x.numpy(), np.array([1]))


@pytest.fixture(scope="module", params=FUNCTIONS)
def made(request: pytest.FixtureRequest) -> tuple[str, Task]:
    return request.param, task(request.param)


@pytest.mark.parametrize(("gradient", "least"), [("float32", 0.9999), ("int16", 0.999)])
def test_gradients_are_torchs(made, gradient, least):
    _, task = made
    _, wanted = torch_gradients(task.graph, task.scheme, task.x, task.y, rounded=True)
    found = gradients(task, gradient)
    assert set(found) == set(wanted)
    for name, value in found.items():
        assert correlation(value, wanted[name]) > least, name


def test_a_table_or_one_loop_from_bytes_to_bytes(made):
    name, task = made
    program = tl.compile(task.graph, None, "last", target="host", precision=tl.Int8())
    forward = [n for n in program.graph.nodes() if n.type.rank == 4 and not n.is_leaf]
    assert {n.type.dtype for n in forward} == {"int8"}, "the pool and the layers are of integers"
    assert any(n.op == ("fused" if name == "prelu" else "lookup_i8") for n in forward)


def test_the_host_has_the_bits_of_the_oracle(made):
    _, task = made
    program = tl.compile(task.graph, None, task.scheme, target="host", precision=tl.Int8())
    oracle = tl.Trainer(program, OracleDevice(program))
    with program.build("sanitized") as host:
        for _ in range(3):
            assert host.step(task.x, task.y) == pytest.approx(oracle.step(task.x, task.y), rel=1e-5)
        for leaf, value in oracle.state().items():
            found = host.state()[leaf]
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5, err_msg=leaf)
