"""Where a map is read twice its gradient is a sum, whatever the plan does to the buffers."""

import numpy as np
import pytest

import trainlet as tl
from networks.gradients import device_gradients, oracle_gradients
from networks.reference import run_sgd, worst
from plan.small import case, program
from trainlet.ops.quantized.gradient.format import GradientFormat
from trainlet.run.simulated import ArenaDevice

CLOSE = 1e-5


@pytest.fixture
def expected() -> dict[str, np.ndarray]:
    given = case()
    _, gradients = run_sgd(given, tl.schemes.full(given.model))
    return gradients


def test_arena_and_c_add_both_contributions(expected):
    given = case()
    arena = tl.Trainer(program(), ArenaDevice(program()))
    assert worst(device_gradients(arena, given), expected)[0] < CLOSE
    with program().build("host") as trainer:
        assert worst(device_gradients(trainer, given), expected)[0] < CLOSE


@pytest.mark.parametrize("kept", [0, 1], ids=["the first stays", "the second stays"])
def test_one_contribution_alone_is_found_out(kept, expected, monkeypatch):
    """A reverse mode that does not add, as when a kernel writes where it should accumulate."""
    monkeypatch.setattr(GradientFormat, "plus", lambda self, node, *terms: terms[kept])
    given = case()
    graph = tl.prepare(given.model, given.x, check=False)
    found = oracle_gradients(graph, given, tl.schemes.full(given.model))
    error, where = worst(found, expected)
    assert error > 0.1 and where.startswith("first.")
