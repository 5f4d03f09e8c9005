"""A learning rate for each group of parameters: torch's parameter groups, in the oracle, the C and
the simulation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from passes.stages import ops
from trainlet.cli.options import Request
from trainlet.errors import SchemeError, TrainletError

GROUPS = {"2.bias": 0.0, "2.*": 10.0, "0.weight": 0.5}
OPTIMIZERS = {
    "sgd": (tl.SGD(0.01, groups=GROUPS), torch.optim.SGD),
    "momentum": (tl.SGD(0.01, 0.9, groups=GROUPS), lambda p: torch.optim.SGD(p, momentum=0.9)),
    "adam": (tl.Adam(0.01, groups=GROUPS), torch.optim.Adam),
    "rmsprop": (tl.RMSprop(0.01, groups=GROUPS), torch.optim.RMSprop),
}


def network() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    return model, torch.randn(4, 6), torch.tensor([0, 1, 2, 1])


def factor(name: str) -> float:
    return {"2.bias": 0.0, "2.weight": 10.0, "0.weight": 0.5}.get(name, 1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_torchs(name):
    model, x, y = network()
    ours, theirs = OPTIMIZERS[name]
    program = tl.compile(model, x, "full", target="host", optimizer=ours)
    groups = [{"params": [p], "lr": 0.01 * factor(n)} for n, p in model.named_parameters()]
    optimizer = theirs(groups)
    with program.build("host") as trainer:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            trainer.step(x, y)
        state = trainer.state()
    for key, p in model.named_parameters():
        np.testing.assert_allclose(state[key], p.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", [None, tl.Int8(), tl.Int8(rounding="nearest", extra_bits=0)])
def test_everyone_agrees_to_the_bit(how):
    model, x, _ = network()
    program = tl.compile(
        model, x[:1], "full", optimizer=tl.SGD(0.05, groups=GROUPS), precision=how,
        calibration=[x] if how else None,
    )  # fmt: skip
    one = x[:1].numpy(), np.array([1])
    with program.build("host") as host, program.build("unicorn") as device:
        for trainer in (host, device):
            for _ in range(2):
                trainer.step(*one)
        assert host.save() == device.save()
        start = host.program.initial(next(n for n in program.params if n.name == "2.bias"))
        kept = device.program.layout.unpack(device.save()).arrays["2.bias"]
        assert np.array_equal(kept, start)
        simulation = tl.simulate(program, experiments=1)
        for _ in range(2):
            simulation.step(one[0][None], one[1][None])
        for key, value in host.state().items():
            np.testing.assert_allclose(simulation.state()[key][0], value, rtol=1e-5, atol=1e-6)


def test_a_program_without_groups_stays():
    model, x, _ = network()
    graph = tl.prepare(model, x, check=False)
    plain, one, ten = (
        ops(tl.train(graph, "full", optimizer=tl.SGD(groups=groups)).step)
        for groups in ({}, {"*": 1}, {"2.*": 10})
    )
    assert plain == one and sorted(ten) == sorted([*plain, "scale"])


def test_gradients_that_are_summed():
    model, x, y = network()
    optimizer = tl.SGD(0.1, groups=GROUPS)
    programs = [
        tl.compile(model, x, "full", target="host", optimizer=optimizer, accumulate=n)
        for n in (1, 2)
    ]
    states = []
    for n, program in zip((1, 2), programs, strict=True):
        with program.build("host") as trainer:
            for _ in range(n):
                trainer.step(x, y)
            states.append(trainer.state())
    for key, value in states[0].items():
        np.testing.assert_allclose(states[1][key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pattern", ["3.*", "2.wieght", ""])
def test_a_pattern_that_matches_nothing(pattern):
    model, x, _ = network()
    with pytest.raises(SchemeError, match=r"no trained parameter matches .*; trained: 0\.weight"):
        tl.compile(model, x, "full", optimizer=tl.Adam(groups={pattern: 2}))
    with pytest.raises(SchemeError, match="no trained parameter matches '0.weight'"):
        tl.compile(model, x, "last", optimizer=tl.SGD(groups={"0.weight": 2}))


@pytest.mark.parametrize("groups", [3, {1: 2}, {"a": -1}, {"a": float("nan")}, {"a": "x"}, None])
def test_groups_that_make_no_sense(groups):
    for make in (tl.SGD, tl.Adam, tl.RMSprop):
        with pytest.raises(TrainletError, match="groups|factor of 'a'"):
            make(groups=groups)


def test_each_experiment_has_its_own_rate():
    model, x, y = network()
    program = tl.compile(model, x, "full", target="host", optimizer=tl.SGD(groups=GROUPS))
    rates = np.array([0.01, 0.1])
    simulation = tl.simulate(program, experiments=2)
    simulation.step(np.stack([x.numpy()] * 2), np.stack([y.numpy()] * 2), rates)
    for k, rate in enumerate(rates):
        with program.build("host") as trainer:
            trainer.step(x, y, lr=rate)
            for key, value in trainer.state().items():
                np.testing.assert_allclose(simulation.state()[key][k], value, rtol=1e-5, atol=1e-6)


def test_on_the_command_line():
    request = Request(
        Path("net.pt2"), "bias", "host", None, None, "momentum", 0.1, ["cross_entropy"], 1,
        factor=["classifier.*=10", "a=b=0.5"],
    )  # fmt: skip
    groups = {"classifier.*": 10.0, "a=b": 0.5}
    assert request.make_optimizer() == tl.SGD(0.1, momentum=0.9, groups=groups)
    with pytest.raises(TrainletError, match="--factor ten; allowed: PATTERN=FACTOR"):
        replace(request, factor=["ten"]).make_optimizer()
