"""TinyTrain's selection: scores against PyTorch, budgets against the planner."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import trainlet as tl
from schemes.small import EXAMPLE, examples, network
from trainlet.errors import SchemeError, TargetError

WEIGHTS = ("0.weight", "2.weight")


def importance(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Of what each convolution reads: the activation times its gradient, summed over positions."""
    found: dict[str, np.ndarray] = {}
    for one, label in zip(torch.from_numpy(x), torch.from_numpy(y), strict=True):
        read = {"0.weight": one[None].clone().requires_grad_()}
        read["2.weight"] = model[1](model[0](read["0.weight"]))
        read["2.weight"].retain_grad()
        cross_entropy(model[2:](read["2.weight"]), label[None]).backward()
        for name, a in read.items():
            assert a.grad is not None
            own = (a * a.grad).sum((0, 2, 3)).detach().double().numpy() ** 2 / (2 * len(x))
            found[name] = found.get(name, 0) + own
    return found


def test_scores_and_channels_are_those_of_the_paper() -> None:
    model, (x, y) = network(), examples(12)
    found = tl.schemes.tinytrain(model, x, y)
    wanted = importance(model, x, y)
    sizes = {"0.weight": 4 * 2 * 9, "2.weight": 4 * 4 * 9}
    macs = {"0.weight": 36 * 72, "2.weight": 16 * 144}
    for name, own in wanted.items():
        score = own.sum() / (sizes[name] / 144 * macs[name] / 2592)
        assert found.scores[name] == pytest.approx(score, rel=1e-4)
        many = len(own) // 2
        assert set(found.scheme.rule(name)) == set(np.argsort(-own)[:many].tolist())
    assert {"6.weight", "6.bias", "0.bias", "2.bias"} < set(found.scheme)


def test_a_selector_chooses_for_each_task_as_a_call_of_its_own_would() -> None:
    model = network()
    graph = tl.prepare(model, EXAMPLE)
    choose = tl.schemes.Selector(graph, macs=2500)
    x, y = examples(12)
    for rows in (slice(0, 6), slice(6, 12), slice(0, 12, 2)):
        found = choose(x[rows], y[rows])
        assert found == tl.schemes.tinytrain(graph, x[rows], y[rows], macs=2500)
        program = tl.compile(graph, scheme=found.scheme)
        assert found.macs_backward == program.macs_backward <= 2500
    assert len(choose.budget.plans) < len(choose.budget.work), "planned what MACs refuse"
    twice = {"0.weight": 2 * graph.values["0.weight"]}
    assert choose(x, y, twice).scores != choose(x, y).scores


def test_what_is_chosen_fits_and_the_best_layer_comes_first() -> None:
    model, (x, y) = network(), examples(12)
    every = tl.schemes.tinytrain(model, x, y)
    first, second = sorted(every.scores, key=lambda name: -every.scores[name])
    least = tl.schemes.tinytrain(model, x, y, macs=200)
    assert set(least.scheme) == {"6.weight", "6.bias"}
    limits: list[dict[str, Any]] = [{"ram": every.ram_bytes - 1}, {"macs": every.macs_backward - 1}]
    for limit in limits:
        found = tl.schemes.tinytrain(model, x, y, **limit)
        assert {first in found.scheme, second in found.scheme} == {True, False}
        program = tl.compile(model, EXAMPLE, found.scheme)
        stack = program.target.stack
        assert program.arena_bytes + program.state_bytes + stack == found.ram_bytes
        assert found.ram_bytes < every.ram_bytes or found.macs_backward < every.macs_backward
    assert first in tl.schemes.tinytrain(model, x, y, macs=every.macs_backward - 1).scheme


def test_only_the_last_layers_are_candidates() -> None:
    found = tl.schemes.tinytrain(network(), *examples(6), depth=1)
    assert set(found.scores) == {"2.weight"}


def test_an_integer_network() -> None:
    x, y = examples(12)
    graph = tl.prepare(network(), EXAMPLE, precision="int8", calibration=[torch.from_numpy(x)])
    found = tl.schemes.tinytrain(graph, x, y)
    assert len(found.scheme.rule("2.weight")) == 2
    assert tl.compile(graph, scheme=found.scheme).report.ram_bytes <= found.ram_bytes


def test_what_cannot_be_is_refused() -> None:
    x, y = examples(6)
    with pytest.raises(TargetError, match="not even the classifier fits"):
        tl.schemes.tinytrain(network(), x, y, ram=500)
    wrong: list[dict[str, Any]] = [{"share": 0}, {"share": 1.5}, {"depth": 0}]
    for options in wrong:
        with pytest.raises(SchemeError):
            tl.schemes.tinytrain(network(), x, y, **options)


def test_the_relative_gradient_is_that_of_pytorch() -> None:
    model, (x, y) = network(), examples(12)
    found = tl.schemes.tinytrain(model, x, y, criterion="gradient")
    sizes = {"0.weight": 72 / 144, "2.weight": 1}
    macs = {"0.weight": 1, "2.weight": 2304 / 2592}
    for name in WEIGHTS:
        weight, own = model.get_parameter(name), 0
        for one, label in zip(torch.from_numpy(x), torch.from_numpy(y), strict=True):
            (gradient,) = torch.autograd.grad(cross_entropy(model(one[None]), label[None]), weight)
            own = own + (gradient.double() ** 2).sum((0, 2, 3)).numpy() / (2 * len(x))
        own = own / float((weight.detach() ** 2).sum())
        score = own.sum() / (sizes[name] * macs[name])
        assert found.scores[name] == pytest.approx(score, rel=1e-4)
        assert set(found.scheme.rule(name)) == set(np.argsort(-own)[: len(own) // 2].tolist())


def test_other_criteria_choose_through_the_same_rule() -> None:
    model, (x, y) = network(), examples(12)
    norm = tl.schemes.tinytrain(model, x, y, criterion="norm")
    for name in WEIGHTS:
        own = (model.get_parameter(name).detach().numpy() ** 2).sum((0, 2, 3))
        assert set(norm.scheme.rule(name)) == set(np.argsort(-own)[: len(own) // 2].tolist())
    drawn = [tl.schemes.tinytrain(model, x[k:], y[k:], criterion="random") for k in (0, 0, 1)]
    rules = [tuple(one.scheme.rule(name) for name in WEIGHTS) for one in drawn]
    assert rules[0] == rules[1] and drawn[0].scores != drawn[2].scores
    with pytest.raises(SchemeError, match="criterion"):
        tl.schemes.tinytrain(model, x, y, criterion="fischer")
