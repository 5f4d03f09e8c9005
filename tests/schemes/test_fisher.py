"""Channels by their Fisher information, against PyTorch's gradients of single examples."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import trainlet as tl
from schemes.test_channels import NORM, case
from trainlet.errors import DataError, SchemeError

SHARES = {f"{name}.weight": entry["share"] for name, entry in NORM.items()} | {"fc.bias": 1.0}
AXES = {"depthwise.weight": (0, 8), "grouped.weight": (0, 4), "up.weight": (0, 12)}


def expected(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, set[int]]:
    scores: dict[str, np.ndarray] = {}
    for k in range(len(x)):
        model.zero_grad()
        cross_entropy(model(x[k : k + 1]), y[k : k + 1]).backward()
        for name in SHARES.keys() - {"fc.bias"}:
            p = model.get_parameter(name)
            axis, count = AXES.get(name, (1, p.shape[1]))
            terms = (p * p.grad).detach().double().movedim(axis, 0).reshape(count, -1)
            scores[name] = scores.get(name, 0) + terms.sum(1).numpy() ** 2
    many = {name: max(1, int(SHARES[name] * len(s) + 0.5)) for name, s in scores.items()}
    return {name: set(np.argsort(-s)[: many[name]].tolist()) for name, s in scores.items()}


def test_the_scores_are_torchs():
    network = case(20)
    found = tl.schemes.fisher_channels(network.model, network.x, network.y, SHARES)
    assert found["fc.bias"] == 1
    wanted = expected(network.model, network.x, network.y)
    assert {name: set(found.rule(name)) for name in wanted} == wanted
    tl.compile(network.model, network.x[:1], found, target="host")


def test_an_integer_graph():
    network = case(20)
    graph = tl.prepare(network.model, network.x[:1], precision="int8", calibration=[network.x])
    found = tl.schemes.fisher_channels(graph, network.x, network.y, {"pointwise.weight": 0.5})
    wanted = expected(network.model, network.x, network.y)["pointwise.weight"]
    assert len(found.rule("pointwise.weight")) == 4
    assert wanted & set(found.rule("pointwise.weight"))


def test_what_does_not_fit():
    network = case(3)
    for scheme in ("bias", {"fc.bias": 1.0}, {"fc.weight": {"channels": [1]}}):
        with pytest.raises(SchemeError, match="one with a share below 1"):
            tl.schemes.fisher_channels(network.model, network.x, network.y, scheme)
    with pytest.raises(DataError, match="as many labels as examples"):
        tl.schemes.fisher_channels(network.model, network.x, network.y[:2], SHARES)
    with pytest.raises(SchemeError, match="unknown parameter"):
        tl.schemes.fisher_channels(network.model, network.x, network.y, {"nothing": 0.5})
