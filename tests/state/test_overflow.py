"""A step whose update overflows says so and changes nothing, wherever in the step it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import DivergedError, ExperimentsDiverged
from trainlet.run.simulated import ArenaDevice, OracleDevice

X = np.ones((1, 1), np.float32)


def chain(small: int, least: float) -> nn.Sequential:
    """y = c b a x = 1.  The weight `small` is tiny, so its gradient alone is huge."""
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(3))).eval()
    with torch.no_grad():
        for k, layer in enumerate(model):
            layer.weight[:] = least if k == small else least**-0.5  # type: ignore[index]
    return model


def compiled(small: int, least: float, **options: object) -> CompiledProgram:
    options.setdefault("target", "host")
    return tl.compile(chain(small, least), torch.ones(1, 1), "full", loss="mse", **options)  # type: ignore[arg-type]


CASES: dict[str, tuple[dict, float, float, float, int]] = {
    # options; the smallest weight; minus half of the loss's gradient; rate; good steps before
    "sgd": ({}, 1e-3, 1e18, 1e20, 0),
    "momentum": ({"optimizer": tl.SGD(momentum=0.9)}, 1e-3, 1e18, 1e20, 0),
    "adam's second moment": ({"optimizer": tl.Adam()}, 1e-3, 1e19, 1e-3, 0),
    "a sum": ({"accumulate": 2}, 1e-21, 1e19, 0.0, 0),
    "applied sums": ({"accumulate": 2}, 1e-3, 1e18, 1e20, 1),
    "adam on sums": ({"accumulate": 2, "optimizer": tl.Adam()}, 1e-3, 1e19, 1e-3, 1),
}
"""The gradient of weight w is that of y by w: twice what is given here, times 1 / w."""


@pytest.fixture
def every() -> Iterator[Callable[[CompiledProgram], list[tl.Trainer]]]:
    """Starts a program on every kind of device."""
    with ExitStack() as stack:

        def start(made: CompiledProgram) -> list[tl.Trainer]:
            natives = [stack.enter_context(made.build(d)) for d in ("host", "sanitized")]
            return [*natives, *(tl.Trainer(made, d(made)) for d in (OracleDevice, ArenaDevice))]

        yield start


@pytest.mark.parametrize("small", [2, 1, 0], ids=["first update", "middle", "last update"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_changes(
    every: Callable[[CompiledProgram], list[tl.Trainer]], case: str, small: int
) -> None:
    options, least, size, rate, steps = CASES[case]
    made = compiled(small, least, **options)
    for trainer in every(made):
        for _ in range(steps):
            trainer.step(X, [[0.5]], 1e-6)
        before = trainer.save()
        with pytest.raises(DivergedError, match="overflows"):
            trainer.step(X, [[-size]], rate)
        assert trainer.save() == before
        trainer.step(X, [[0.5]], 1e-6)  # and it learns on
        assert trainer.save() != before
        trainer.load(trainer.save())


@pytest.mark.parametrize("case", CASES)
def test_one_experiment_of_a_simulation(case: str) -> None:
    options, least, size, rate, steps = CASES[case]
    made = compiled(1, least, **options)
    alone = tl.Trainer(made, OracleDevice(made))
    simulation = tl.simulate(made, experiments=2)
    for _ in range(steps):
        simulation.step(X[None], [[[0.5]]], 1e-6)
        alone.step(X, [[0.5]], 1e-6)
    before = simulation.save(0)
    with pytest.raises(ExperimentsDiverged) as raised:
        simulation.step(X[None], [[[-size]], [[0.5]]], [rate, 1e-6])
    assert raised.value.experiments == [0]
    assert simulation.save(0) == before
    alone.step(X, [[0.5]], 1e-6)
    for name, value in alone.state().items():
        np.testing.assert_allclose(simulation.state()[name][1], value, rtol=1e-5)


def test_integers_go_back_too(every: Callable[[CompiledProgram], list[tl.Trainer]]) -> None:
    """Int8 layers saturate, the float32 head behind them does not."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    shown = [np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)]
    for gradient in ("float32", "int16"):
        made = tl.compile(
            model, torch.zeros(1, 4), "full", target="host", calibration=shown,
            precision=tl.Int8(gradient=gradient), loss="mse",
        )  # fmt: skip
        for trainer in every(made):
            trainer.step(shown[0][0], np.zeros((1, 3)), 0.01)
            before = trainer.save()
            with pytest.raises(DivergedError, match="overflows"):
                trainer.step(shown[0][0], np.full((1, 3), 1e3), 3e38)
            assert trainer.save() == before


@pytest.mark.parametrize("rate", [1e10, 1e30, 3e38, -3e38])
def test_integers_saturate_at_any_rate(rate: float) -> None:
    """Without undefined behaviour, then and later."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    shown = [np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)]
    scheme = {f"{k}.{kind}": 1.0 for k in (0, 2) for kind in ("weight", "bias")}
    for gradient in ("float32", "int16", "int8"):
        made = tl.compile(
            model.eval(), torch.zeros(1, 4), scheme, target="host", calibration=shown,
            precision=tl.Int8(gradient=gradient),
        )  # fmt: skip
        oracle = tl.Trainer(made, OracleDevice(made))
        with made.build("sanitized") as trainer:
            for k in range(4):
                for one in (trainer, oracle):
                    one.step(shown[0][k], [k % 3], rate)
            assert np.isfinite(trainer.predict(shown[0][0])).all()


def test_without_rollback_it_is_found() -> None:
    """The arena has no room for old values then; the status says that the state is lost."""
    made = compiled(0, 1e-3, rollback=False)
    assert made.plan.undo is not None and not made.plan.undo.copies
    oracle = tl.Trainer(made, OracleDevice(made))
    with made.build("sanitized") as trainer:
        good = trainer.save()
        for one in (trainer, oracle):
            with pytest.raises(DivergedError):
                one.step(X, [[-1e18]], 1e20)
            one.load(good)
            assert one.save() == good
