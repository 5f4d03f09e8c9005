"""compile compares what it imported with torch; check compares a training step with autograd."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from imports.support import model
from trainlet.errors import DataError, SchemeError, UnsupportedError
from trainlet.frontends.aten import ATEN
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS, build

X = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.Hardtanh(-0.5, 1.5)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.act(self.norm(self.conv(x))).mean((2, 3)))


def net() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return Net().eval(), torch.randn(1, 2, 5, 5)


@pytest.fixture
def wrong_activation(monkeypatch):
    """A builder that means something else: leaky where it is flat."""
    right = ATEN["hardtanh"]

    def wrong(at, x: Node, low: float, high: float) -> Node:
        return at.build("add", right(at, x, low, high), at.build("scale", x, factor=0.01))

    monkeypatch.setitem(ATEN, "hardtanh", wrong)


@pytest.mark.usefixtures("wrong_activation")
def test_the_first_operator_that_differs_is_named(tmp_path):
    network, x = net()
    said = r"^hardtanh \(module 'act', .*:\d+\): what Trainlet computes differs from torch by up to"
    with pytest.raises(UnsupportedError, match=said):
        tl.compile(network, x, "last", target="host")
    tl.compile(network, x, "last", target="host", check=False)
    torch.export.save(torch.export.export(network, (x,)), tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match=said):
        tl.load(tmp_path / "net.pt2")


def test_a_model_that_changes_from_call_to_call():
    class Counting(Net):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x) * self.calls

    torch.manual_seed(0)
    with pytest.raises(UnsupportedError, match=r"does not compute what torch\.export recorded"):
        tl.compile(Counting().eval(), net()[1], "last", target="host")


def test_every_gradient_of_a_right_network_is_autograds():
    network, x = net()
    found = tl.check(network, x, "full")
    assert found.same
    assert {row.name for row in found.rows} == {"loss", *dict(network.named_parameters())}
    sparse = {"conv.weight": 0.5, "fc.bias": 1}
    assert {row.name for row in tl.check(network, x, sparse).rows} == {"loss", *sparse}
    assert tl.check(network, x, "bias", x=x.numpy(), y=[2]).same


def test_a_wrong_gradient_is_found(monkeypatch):
    def through(n: Node, g: Node) -> list:
        return [lambda: build("scale", g, factor=1.0)]

    record = OPS["clip"]
    monkeypatch.setitem(OPS, "clip", type(record)(**{**vars(record), "vjp": through}))
    network, x = net()
    found = tl.check(network, x, "full")
    differs = {row.name for row in found.rows if not row.same}
    assert not found.same and "conv.weight" in differs and "fc.weight" not in differs


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((2, 3)), [1], r"has shape \(2, 3\); allowed: \(1, 2, 5, 5\)"),
        (None, [1], "x and y go together"),
        (np.full((1, 2, 5, 5), np.nan), [1], "holds NaN or infinity"),
        (np.full((1, 2, 5, 5), "a"), [1], "is not an array of numbers"),
        ({"nope": np.zeros((1, 2, 5, 5))}, [1], r"takes the inputs \['x'\]"),
        (np.zeros((1, 2, 5, 5)), ["a"], "labels is not an array of numbers"),
        (np.zeros((1, 2, 5, 5)), [0.5], "labels are float64"),
        (np.zeros((1, 2, 5, 5)), [3], r"labels in 3\.\.3; allowed: 0\.\.2"),
        (np.zeros((1, 2, 5, 5)), [0, 1], "has 2 values; allowed: 1"),
        (np.zeros((1, 2, 5, 5)), {"t": [0]}, r"the targets \['target'\]"),
    ],
)
def test_data_that_do_not_fit(x, y, said):
    network, example = net()
    with pytest.raises(DataError, match=said):
        tl.check(network, example, x=x, y=y)


def both(s: nn.Module, x: Tensor) -> Tensor:
    return s.b(torch.tanh(s.a(x)).detach()) * s.g


def under_no_grad(s: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        h = torch.tanh(s.a(x))
    return s.b(h)


def detached_in_place(s: nn.Module, x: Tensor) -> Tensor:
    h = torch.tanh(s.a(x))
    h.detach_()
    return s.b(h * 2) * s.g


@pytest.mark.parametrize("forward", [both, under_no_grad, detached_in_place])
def test_no_gradient_passes_what_is_detached(forward):
    network = model(forward)
    found = tl.check(network, X, "full")
    assert found.same
    assert not {row.name for row in found.rows} & {"a.weight", "a.bias"}
    with pytest.raises(SchemeError, match=r"'a\.weight' has no gradient: .*detach"):
        tl.compile(network, X, {"a.weight": 1}, target="host")
    scheme = tl.schemes.full(network)
    trained = tl.compile(network, X, scheme, target="host").params
    assert not {n.name for n in trained} & {"a.weight", "a.bias", "unused"}
