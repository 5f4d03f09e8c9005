"""Quantisation-aware training: fake-quantised while the user trains, integers afterwards."""

import numpy as np
import pytest
import torch
from torch import nn

from trainlet.errors import DataError
from trainlet.frontends.integers import import_converted
from trainlet.frontends.pt2e import convert_module, quantize_module

from .modules import Norms, Residual, SharedBeforeNorm, build
from .support import decibels, deviations, draw, float_operators, lowered, operators, run


class Dropping(nn.Module):
    def __init__(self, kind=Norms):
        super().__init__()
        self.body = build(kind)
        self.dropout = nn.Dropout(0.9)

    def forward(self, x):
        return self.dropout(self.body(x))


@pytest.fixture
def data():
    return torch.from_numpy(draw(np.random.default_rng(0), 64, 3, 8, 8))


def answers(model, x):
    with torch.no_grad():
        return model.eval()(x)


def trained_towards(x, goal, steps=150):
    """Training with the batch norms' statistics frozen and without dropout."""

    def train(module):
        module.eval()
        optimizer = torch.optim.Adam(module.parameters(), 3e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            (module(x) - goal).square().mean().backward()
            optimizer.step()

    return train


@pytest.mark.slow  # torchao folds a trained batch norm in half a minute
@pytest.mark.parametrize("kind", [Norms, SharedBeforeNorm])
def test_batch_norms(data, kind):
    """What was trained arrives in the integers; names and operators are those without training."""
    model = Dropping(kind)
    goal, x = answers(model, data) * 1.5, data[:1]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    converted = convert_module(model, x, [data], qat=trained_towards(data, goal))
    assert max(d.largest for d in deviations(converted, x.numpy())) <= 1
    graph = import_converted(converted.module, {"x": data.shape}, converted.names)
    assert decibels(goal.numpy(), run(graph, data.numpy())) > 20
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())

    plain = quantize_module(model, data, [data])
    assert decibels(goal.numpy(), run(plain, data.numpy())) < 10
    assert operators(lowered(graph)) == operators(lowered(plain))
    assert [n.name for n in graph.leaves("param")] == [n.name for n in plain.leaves("param")]
    islands = {"mul", "add"} if kind is SharedBeforeNorm else set()
    assert float_operators(lowered(graph)) == {"linear"} | islands


def test_without_batch_norms(data):
    model = build(Residual)
    goal = answers(model, data) * 1.5
    graph = quantize_module(model, data, [data], qat=trained_towards(data, goal, 60))
    assert decibels(goal.numpy(), run(graph, data.numpy())) > 20


class EnoughError(Exception):
    """Seen what was to be seen."""


def test_train_and_eval_switch_dropout_and_batch_norm(data):
    def train(module):
        assert (module(data) == 0).float().mean() > 0.8
        statistics = {k: v.clone() for k, v in module.named_buffers() if "running" in k}
        module(data)
        assert not any(torch.equal(v, module.get_buffer(k)) for k, v in statistics.items())

        assert module.eval() is module
        statistics = {k: v.clone() for k, v in module.named_buffers() if "running" in k}
        assert (module(data) == 0).float().mean() < 0.2
        assert statistics
        assert all(torch.equal(v, module.get_buffer(k)) for k, v in statistics.items())

        assert module.train() is module
        assert (module(data) == 0).float().mean() > 0.8
        raise EnoughError

    with pytest.raises(EnoughError):
        quantize_module(Dropping(), data[:1], [data], qat=train)


def test_calibration_comes_first_and_moves_no_statistics(data):
    """Of the batch norms, one of which has an unusual epsilon."""
    model = Dropping()
    wanted = answers(model, data)

    def train(module):
        assert decibels(wanted.numpy(), module.eval()(data).detach().numpy()) > 25
        raise EnoughError

    with pytest.raises(EnoughError):
        quantize_module(model, data[:1], [data], qat=train)


def test_training_that_diverges(data):
    def train(module):
        with torch.no_grad():
            next(module.parameters()).fill_(torch.inf)

    with pytest.raises(DataError, match=r"training produced NaN .* lower the learning rate"):
        quantize_module(Dropping(), data[:1], [data], qat=train)
