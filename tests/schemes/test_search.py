"""The chosen scheme against every scheme of a small network, each of them compiled."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

import trainlet as tl
from schemes.small import EXAMPLE, QUICK, examples, network
from trainlet.errors import TargetError
from trainlet.planning.limits import needed
from trainlet.schemes import planned_search as module
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.contribution import contribution
from trainlet.schemes.layers import Choice


@pytest.fixture(scope="module")
def measured():
    return tl.schemes.contribution(network(), examples(), EXAMPLE, **QUICK)


@pytest.fixture(scope="module")
def sizes(measured):
    """RAM of every scheme, as `compile` makes it."""
    found = {}
    for k in range(3):
        for shares in product((0, 0.5, 1.0), repeat=k):
            choice = Choice.of(k, zip(range(2 - k, 2), shares, strict=True))
            scheme = choice.scheme(measured.layers)
            program = tl.compile(network(), EXAMPLE, scheme, target="cortex-m7")
            found[choice] = needed(program)[0]
    return found


@pytest.mark.parametrize("above", [0, 300, 1000, 2000, 100_000])
@pytest.mark.parametrize("every", [0, 4096])
def test_no_scheme_that_fits_gains_more(measured, sizes, above, every, monkeypatch):
    monkeypatch.setattr(module, "EVERY", every)
    ram = min(sizes.values()) + above
    found = tl.schemes.search(measured, ram=ram, confirm=1)
    assert found.ram_bytes == sizes[found.choice] <= ram
    best = max(measured.gains.of(c) for c, size in sizes.items() if size <= ram)
    assert found.predicted == pytest.approx(best)


def test_schemes_that_fit_learn_for_real(measured):
    """The best of those that were measured is chosen, whatever was predicted."""
    found = tl.schemes.search(measured, confirm=5)
    confirmed = [measured.accuracy(c).mean() for c in measured.measurements.known]
    assert found.accuracy == pytest.approx(max(confirmed))


def test_the_smallest_is_told_where_nothing_fits(measured, sizes):
    smallest = sizes[Choice()]
    with pytest.raises(TargetError, match=f"the classifier alone, needs {smallest:,} bytes of RAM"):
        tl.schemes.search(measured, ram=smallest - 1)
    with pytest.raises(TargetError, match=r"no scheme fits 262,144 bytes of RAM and 100 bytes of"):
        tl.schemes.search(measured, flash=100)


def test_instructions_have_a_limit(measured):
    everything = Choice.of(2, [(0, 1.0), (1, 1.0)])
    cost = CompiledCost(measured.measurements.study, measured.layers, tl.Target.preset("cortex-m7"))
    head, whole = cost.instructions(Choice()), cost.instructions(everything)
    assert head < whole
    limit = (head + whole) // 2
    found = tl.schemes.search(measured, instructions=limit, confirm=1)
    assert found.instructions is not None and found.instructions <= limit
    with pytest.raises(TargetError, match=f"{head:,} instructions a step"):
        tl.schemes.search(measured, instructions=head - 1)


def test_an_estimate_needs_no_plan(measured):
    cost = CompiledCost(measured.measurements.study, measured.layers, tl.Target.preset("cortex-m7"))
    smaller, larger = cost.estimate(Choice(1)), cost.estimate(Choice.of(2, [(0, 1.0)]))
    assert smaller < larger and not cost._programs


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_scheme_of_a_network_with_batch_norm_is_one_of_the_model(precision):
    """Its names are the model's, also where quantisation folded the norms into the layers."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)]
    head = [nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    model, (x, y) = nn.Sequential(*layers, *head).eval(), examples()
    how = {"precision": precision} | ({"calibration": [x]} if precision == "int8" else {})
    begun = contribution(model, (x, y), EXAMPLE, **how, measure=False)
    assert [layer.weight for layer in begun.layers.body] == ["0.weight", "3.weight"]
    assert begun.layers.numbers_of_biases == [0, 1, 2]
    target = tl.Target.preset("cortex-m7")
    cost = CompiledCost(begun.measurements.study, begun.layers, target)
    choice = Choice.of(2, [(0, 1.0), (1, 0.5)])
    program = tl.compile(model, EXAMPLE, choice.scheme(begun.layers), target=target, **how)
    assert needed(program)[0] == cost.planned(choice)[0]
