"""Loss and every trained parameter's gradient, against PyTorch's autograd in float64.

The oracle and the C code are each compared with PyTorch, and with each other.
"""

from functools import cache

import numpy as np
import pytest
from torch import nn

import trainlet as tl
from networks.calm import calm
from networks.gradients import device_gradients, oracle_gradients
from networks.reference import Arrays, run_sgd, worst
from networks.schemes import scheme
from trainlet.ir.graph import Graph
from trainlet.run.simulated import OracleDevice
from zoo import NETWORKS, Case
from zoo.case import make_case

TOLERANCE = 1e-4
SAME = 5e-5
"""C against the oracle: the same formulas in float32, summed in another order."""
DRIFT = 1e-2
"""After ten steps, as a share of the way made: activations have come near to kinks again."""
STEPS = 10
NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def grouped(batch: int = 1) -> Case:
    """Convolutions in groups, which no network of the zoo has."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=4, padding=1),
            nn.SiLU(),
            nn.Conv2d(8, 6, 3, groups=2, stride=2),
            nn.Tanh(),
            nn.Conv2d(6, 12, 3, groups=6, padding=1, bias=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * 16, 5),
        )

    return make_case(build, (4, 10, 10), 5, batch)


MAKERS = {**NETWORKS, "grouped": grouped}
SIZES = [(name, 1) for name in MAKERS] + [("mobilenet_v2", 4), ("grouped", 3)]


@cache
def imported(name: str, batch: int) -> tuple[Case, Graph]:
    case = calm(MAKERS[name](batch))
    return case, tl.prepare(case.model, case.x, check=False)


def has_norm(name: str) -> bool:
    return any(isinstance(m, NORMS) for m in MAKERS[name](1).model.modules())


def moved(before: Arrays, after: Arrays) -> np.ndarray:
    return np.concatenate([(after[k].astype(float) - before[k]).ravel() for k in before])


def gentle_rate(case: Case, chosen: tl.UpdateScheme) -> float:
    """Each step lowers the loss by some three thousandths, so that no kink is amplified."""
    (loss,), gradients = run_sgd(case, chosen)
    square = sum((g**2).sum() for g in gradients.values())
    return float(np.float32(0.003 * loss / square))


LONG = pytest.mark.long
EACH = pytest.mark.parametrize(
    ("name", "batch", "kind"),
    [
        pytest.param(
            name, batch, kind, id=f"{name}-{batch}-{kind}", marks=LONG if batch > 1 else ()
        )
        for name, batch in SIZES
        for kind in ("full", "bias", "norm", "sparse")
        if kind != "norm" or (has_norm(name) and batch == 1)
    ],
)


@EACH
def test_oracle_gradients(name, batch, kind):
    case, graph = imported(name, batch)
    chosen = scheme(name, kind, case.model)
    _, expected = run_sgd(case, chosen)
    error, where = worst(oracle_gradients(graph, case, chosen), expected)
    assert error <= TOLERANCE, where


@EACH
def test_gradients_and_ten_losses_of_the_c_code(name, batch, kind):
    case, graph = imported(name, batch)
    chosen = scheme(name, kind, case.model)
    rate = gentle_rate(case, chosen)
    losses, gradients = run_sgd(case, chosen, rate, STEPS)
    program = tl.compile(graph, None, chosen, target="host", optimizer=tl.SGD(rate))
    with program.build("host") as trainer:
        found = device_gradients(trainer, case)
        error, where = worst(found, gradients)
        assert error <= TOLERANCE, where
        error, where = worst(found, oracle_gradients(graph, case, chosen))
        assert error <= SAME, where

        oracle = tl.Trainer(program, OracleDevice(program))
        start = oracle.state()
        for expected in losses:
            assert oracle.step(case.x, case.y) == pytest.approx(expected, rel=TOLERANCE)
            assert trainer.step(case.x, case.y) == pytest.approx(expected, rel=TOLERANCE)
        assert losses[-1] < 0.98 * losses[0], "nothing was learned: the ten losses prove little"
        way, other = moved(start, trainer.state()), moved(start, oracle.state())
        assert np.linalg.norm(way - other) <= DRIFT * np.linalg.norm(other)


def test_a_frozen_share_does_not_move():
    case, graph = imported("ds_cnn", 1)
    chosen = scheme("ds_cnn", "sparse", case.model)
    program = tl.compile(graph, None, chosen, target="host")
    oracle = tl.Trainer(program, OracleDevice(program))
    before = oracle.state()
    oracle.step(case.x, case.y, lr=1.0)
    moved = {k: v != before[k] for k, v in oracle.state().items()}
    assert not moved["features.9.weight"][16:].any()  # depthwise: the leading outputs learn
    assert not moved["features.12.weight"][:, 32:].any()
    assert moved["features.12.weight"][:, :32].any((0, 2, 3)).sum() > 24
    assert list(before) and "features.6.weight" not in before
