"""Values of options and states that cannot be used are refused where they are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError, StateError, TrainletError
from trainlet.run.simulated import OracleDevice

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, 2.0, 2.5, NAN, INF, True, "2", None, Fraction(2), 10**9]
)
def test_accumulate_is_a_whole_number(value: object) -> None:
    with pytest.raises(TrainletError, match="accumulate=.*; allowed: a whole number"):
        program(accumulate=value)


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2)])
def test_a_whole_number_of_numpy_is_one(value: int) -> None:
    assert program(accumulate=value).accumulate == 2


NO_NUMBER = ["0.1", None, True, NAN, INF, -INF, 1e300, 10**400, 1j, [0.1]]


@pytest.mark.parametrize("value", [*NO_NUMBER, -0.1])
@pytest.mark.parametrize("make", [tl.SGD, tl.Adam, lambda v: tl.SGD(0.1, momentum=v),
                                  lambda v: tl.Adam(betas=(v, 0.9)),
                                  lambda v: tl.Adam(betas=(0.9, v)),
                                  lambda v: tl.Adam(eps=v)])  # fmt: skip
def test_an_optimiser_takes_finite_numbers_of_float32(
    make: Callable[[object], object], value: object
) -> None:
    with pytest.raises(TrainletError, match="allowed|in \\[0, 1\\)|at least 0"):
        make(value)


@pytest.mark.parametrize("value", [1, 1.0, 1.5, 1 - 1e-12])
def test_a_share_of_one_forgets_nothing(value: float) -> None:
    """1 - 1e-12 is 1 in float32, and Adam divides by 1 - beta."""
    for make in (lambda: tl.SGD(0.1, momentum=value), lambda: tl.Adam(betas=(value, 0.9))):
        with pytest.raises(TrainletError, match=r"is in \[0, 1\)"):
            make()


@pytest.mark.parametrize("eps", [0, 0.0, 1e-60, 1e-40])
def test_eps_is_above_zero_on_the_device(eps: float) -> None:
    """A dead unit's gradients are 0: without eps, 0 / 0 would be its step."""
    with pytest.raises(TrainletError, match="eps is .*; allowed: a number of at least 1.18e-38"):
        tl.Adam(eps=eps)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.9, 0.9), 0.9, None, "ab"])
def test_there_are_two_betas(betas: object) -> None:
    with pytest.raises(TrainletError, match="beta"):
        tl.Adam(betas=betas)  # type: ignore[arg-type]


def test_a_dead_unit_under_adam() -> None:
    """The smallest eps there is gives torch's value: no step."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        model[0].bias[0] = -100  # type: ignore[index]
    made = tl.compile(model, torch.zeros(1, 2), "full", target="host", optimizer=tl.Adam(eps=2e-38))
    with made.build("host") as trainer:
        before = trainer.state()["0.weight"]
        trainer.step(np.ones((1, 2)), [0])
        after = trainer.state()
        assert (after["0.weight"][0] == before[0]).all()
        assert all(np.isfinite(array).all() for array in after.values())


class Scaled(nn.Module):
    """With a parameter without dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) * self.gain


@cache
def program(**options: object) -> CompiledProgram:
    torch.manual_seed(0)
    return tl.compile(Scaled().eval(), torch.zeros(1, 3), "full", target="host", **options)  # type: ignore[arg-type]


def test_a_parameter_without_dimensions_goes_out_and_in() -> None:
    trainer = tl.Trainer(program(), OracleDevice(program()))
    trainer.step(np.ones((1, 3)), [0])
    state = trainer.state()
    assert state["gain"].shape == ()
    other = tl.Trainer(program(), OracleDevice(program()))
    other.load_state(state)
    assert other.save() == trainer.save()
    other.load_state({"gain": 2})
    assert other.state()["gain"] == 2


def test_a_simulation_hands_it_out_too() -> None:
    simulation = tl.simulate(program(), experiments=2)
    assert simulation.state()["gain"].shape == (2,)
    simulation.load_state({"gain": np.array([1.0, 3.0])})
    assert simulation.state()["gain"].tolist() == [1, 3]


BAD = {
    "unknown": {"fc.bias": np.zeros(2), "nothing": np.zeros(2)},
    "shape": {"fc.bias": np.zeros(2), "gain": np.zeros(1)},
    "NaN": {"fc.bias": np.zeros(2), "gain": NAN},
    "infinity": {"fc.bias": np.zeros(2), "gain": -INF},
    "beyond float32": {"fc.bias": np.zeros(2), "gain": 1e300},
    "text": {"fc.bias": np.zeros(2), "gain": "2"},
    "complex": {"fc.bias": np.zeros(2), "gain": 1j},
    "None": {"fc.bias": np.zeros(2), "gain": None},
    "ragged": {"fc.bias": np.zeros(2), "fc.weight": [[1.0], [1.0, 2.0]]},
    "objects": {"fc.bias": np.array([object(), object()]), "gain": 2.0},
    "a list of pairs": [("gain", 2.0)],
    "a number for a name": {"fc.bias": np.zeros(2), 3: 2.0},
}


@pytest.mark.parametrize("state", BAD.values(), ids=BAD)
def test_a_bad_entry_changes_nothing(state: dict) -> None:
    """Also where another entry, before it, is good."""
    trainer = tl.Trainer(program(), OracleDevice(program()))
    before = trainer.save()
    with pytest.raises(DataError):
        trainer.load_state(state)
    assert trainer.save() == before


@pytest.mark.parametrize("blob", [None, "text", 5, b"", [1, 2], np.zeros(3)])
def test_what_is_no_blob(blob: object) -> None:
    with program().build("host") as trainer:
        for one in (trainer, trainer.device):
            with pytest.raises(StateError):
                one.load(blob)  # type: ignore[arg-type]
