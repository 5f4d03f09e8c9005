"""Front ends of motion, heartbeats and pictures: torch's value in C, from the sensor's integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import DataError

RNG = np.random.default_rng(0)
CASES = {
    "motion": (
        lambda: tl.features.motion(6, scale=0.01, mean=[0, 0, 9.8, 0, 0, 0], deviation=2.0),
        lambda: nn.Sequential(nn.Conv1d(6, 4, 5), nn.ReLU(), nn.AvgPool1d(60), nn.Flatten()),
        RNG.integers(-3000, 3000, (8, 64, 6)).astype(np.int16),
        {},
    ),
    "heartbeat": (
        tl.features.heartbeat,
        lambda: nn.Sequential(nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AvgPool1d(124), nn.Flatten()),
        RNG.integers(-300, 900, (8, 128)).astype(np.int16),
        {},
    ),
    "camera": (
        lambda: tl.features.camera(shrink=2),
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(14), nn.Flatten()),
        RNG.integers(0, 256, (8, 3, 32, 32)).astype(np.uint8),
        {"stream": True},
    ),
}


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_the_c_takes_the_sensors_integers(name: str, precision: str) -> None:
    torch.manual_seed(0)
    front, network, samples, options = CASES[name]
    model = nn.Sequential(front(), network(), nn.Linear(4, 3)).eval()
    shown = {"calibration": [samples]} if precision == "int8" else {}
    x = torch.tensor(samples[:1])
    program = tl.compile(
        model, x, "last", target="host", precision=precision, **shown, **options
    )  # fmt: skip
    assert program.inputs[0].type.dtype == samples.dtype
    with program.build("sanitized") as trainer:
        found, expected = trainer.predict(samples[:1]), model(x).detach().numpy()
        assert np.abs(found - expected).max() < (1e-5 if precision == "float32" else 0.1)
        assert np.isfinite(trainer.step(samples[1:2], np.array([1])))


def test_units_are_the_users() -> None:
    motion = tl.features.motion(2, scale=0.5, mean=[1.0, 2.0], deviation=[1.0, 4.0])
    made = motion(torch.tensor([[[4, 8], [2, 4]]], dtype=torch.int16))
    torch.testing.assert_close(made, torch.tensor([[[1.0, 0.0], [0.5, 0.0]]]))
    beat = tl.features.heartbeat(per_millivolt=100.0)(torch.tensor([[100, 300]]))
    torch.testing.assert_close(beat, torch.tensor([[[-1.0, 1.0]]]))
    grey = tl.features.camera(1, shrink=2, mean=0.0, deviation=1.0)
    pixels = torch.tensor([[[[0, 255], [255, 0]]]], dtype=torch.uint8)
    torch.testing.assert_close(grey(pixels), torch.tensor([[[[0.5]]]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tl.features.motion(3, mean=[1.0, 2.0]), r"mean is .* a finite number, or 3"),
        (lambda: tl.features.camera(deviation=0.0), "deviation is 0.0; allowed: a positive number"),
        (lambda: tl.features.camera(shrink=0), "shrink is 0; allowed: a positive number"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(make, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()
