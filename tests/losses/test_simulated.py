"""Several outputs, targets and penalties in the simulation, a profile and the report."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.run.simulated import OracleDevice


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"a": self.a(x), "b": self.b(x)}


LOSSES = [
    tl.Loss("cross_entropy", output="a", target="a", class_weights=(1, 2, 3, 4), ignore_index=7),
    tl.Loss("huber", output="b", target="b", delta=0.3),
    tl.Loss("distillation", output="a", target="teacher", temperature=2.0),
    tl.Proximal(0.3), tl.L2(0.1),
]  # fmt: skip


def program(target: str) -> tl.CompiledProgram:
    torch.manual_seed(0)
    return tl.compile(Heads().eval(), torch.randn(3, 6), "full", target=target, loss=LOSSES)


def test_each_experiment_takes_the_oracle_s_steps() -> None:
    made, rng = program("host"), np.random.default_rng(0)
    x = rng.standard_normal((4, 3, 6)).astype(np.float32)
    y = {
        "a": np.where(rng.random((4, 3)) < 0.3, 7, rng.integers(0, 4, (4, 3))),
        "b": rng.random((4, 3, 1)).astype(np.float32),
        "teacher": rng.standard_normal((4, 3, 4)).astype(np.float32),
    }
    simulation = tl.simulate(made, 4)
    found = np.stack([simulation.step(x, y) for _ in range(3)])
    outputs = simulation.predict(x)
    for k in range(4):
        trainer = tl.Trainer(made, OracleDevice(made))
        own = {name: array[k] for name, array in y.items()}
        wanted = [trainer.step(x[k], own) for _ in range(3)]
        np.testing.assert_allclose(found[:, k], wanted, rtol=1e-5)
        for name, array in trainer.predict(x[k]).items():
            np.testing.assert_allclose(outputs[name][k], array, rtol=1e-4, atol=1e-5)


def test_a_profile_counts_the_loss_as_backward() -> None:
    made = program("cortex-m7")
    rows = {row.op: row.phase for row in made.profile().rows}
    assert rows["linear"] == "forward" and rows["sgd"] == "update"
    assert {rows[op] for op in ("nll", "distillation", "penalty", "penalty_dw")} == {"backward"}


def test_the_anchor_is_state_beside_the_parameters() -> None:
    report = program("cortex-m7").report
    assert report.parameter_bytes == 4 * (6 * 4 + 4 + 6 + 1)
    assert report.state_bytes == report.parameter_bytes
    plain = tl.compile(Heads().eval(), torch.zeros(3, 6), "full", loss=LOSSES[:3])
    penalised = tl.compile(Heads().eval(), torch.zeros(3, 6), "full", loss=[*LOSSES[:3], LOSSES[4]])
    assert penalised.arena_bytes - plain.arena_bytes <= 16  # its value, and the sum
    assert plain.report.state_bytes == penalised.report.state_bytes == 0
