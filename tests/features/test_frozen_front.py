"""The frozen front once: features, and a step from them, have the bits of a whole step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.errors import DataError, SchemeError, TargetError, TrainletError
from trainlet.ir.graph import Graph
from trainlet.ir.roles import as_outputs, predictions
from trainlet.passes.front import split_front

CLASSES = 3


class Branches(nn.Module):
    """The layers that learn read two frozen maps, of which one is pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x).relu()
        b = self.second(a).relu()
        c = self.third(nn.functional.max_pool2d(b, 2)).relu()
        return self.head(c.mean((2, 3)) + a.mean((2, 3)))


def drawn(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 2, 8, 8)).astype(np.float32)


def compiled(precision: str, split: bool, **options) -> tl.CompiledProgram:
    torch.manual_seed(0)
    scheme = {"third.bias": 1.0, "third.weight": 1.0, "head.weight": 1.0, "head.bias": 1.0}
    shown = {"calibration": [drawn(16)]} if precision == "int8" else {}
    return tl.compile(
        Branches().eval(), torch.zeros(1, 2, 8, 8), scheme, precision=precision,
        split_features=split, **shown, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "options"),
    [("float32", {"accumulate": 2, "optimizer": tl.SGD(0.01, 0.9)}), ("int8", {})],
)
def test_a_step_from_features_is_a_whole_step(precision: str, options: dict) -> None:
    whole, split = (compiled(precision, s, target="host", **options) for s in (False, True))
    assert split.features.type.dtype == "uint8"  # of two maps
    with whole.build("host") as a, split.build("sanitized") as b, split.build("host") as c:
        for k, x in enumerate(drawn(4)):
            x, y = x[None], np.array([k % CLASSES])
            f = b.features(x)
            assert f.nbytes == split.feature_bytes
            np.testing.assert_array_equal(a.predict(x), b.predict_features(f))
            np.testing.assert_array_equal(a.predict(x), b.predict(x))
            assert a.step(x, y) == b.step_features(f, y) == c.step(x, y)
        assert a.save() == b.save() == c.save()


def test_the_emulated_core_the_oracle_and_the_simulation_have_the_same_features() -> None:
    program, x, y = compiled("int8", True), drawn(1), np.array([1])
    with program.build("unicorn") as board, program.build("host") as host:
        f = host.features(x)
        np.testing.assert_array_equal(f, board.features(x))
        np.testing.assert_array_equal(host.predict(x), board.predict_features(f))
        whole = board.predict(x) is not None and board.instructions
        assert board.predict_features(f) is not None and board.instructions < whole
        loss = host.step(x, y)
        assert board.step_features(f, y) == loss
        assert host.save() == board.save()
    assert tl.evaluate(program, x, y)[0] == pytest.approx(loss, rel=1e-6)
    simulation = tl.simulate(program, experiments=2)
    front = simulation.front(x)
    assert simulation.step(x[None], y[None])[0] == np.float32(loss)
    simulation.reset()
    assert simulation.step(front[[[0], [0]]], np.stack([y, y])).tolist() == [np.float32(loss)] * 2


def test_an_output_of_the_frozen_layers_is_one_of_the_features() -> None:
    scheme = {"head.weight": 1.0, "head.bias": 1.0}
    step = tl.train(tl.prepare(Branches().eval(), torch.zeros(1, 2, 8, 8)), scheme).step
    seen = next(n for n in step.nodes() if n.op == "conv2d")
    front, rest = split_front(Graph({**step.outputs, **as_outputs({"seen": seen})}, step.values))
    assert "x" in {n.name for n in front.leaves("input")}
    assert "x" not in {n.name for n in rest.leaves("input")}
    assert seen in front.nodes() and predictions(rest)["seen"].type == seen.type


def test_the_report_says_what_a_step_from_features_saves() -> None:
    whole, split = (compiled("int8", s, target="host") for s in (False, True))
    assert split.report.feature_bytes == split.feature_bytes < 2 * 8 * 8 * 4
    assert 0 < split.report.macs_front < split.report.macs_forward == whole.report.macs_forward
    assert f"{split.feature_bytes:,}" in str(split.report)
    assert "features of an example" not in str(whole.report)


def test_an_image_in_rows_is_the_fronts() -> None:
    whole = compiled("float32", False, target="host")
    split = compiled("float32", True, target="host", stream=True)
    x = drawn(1)
    with whole.build("host") as a, split.build("host") as b:
        np.testing.assert_array_equal(a.predict(x), b.predict_features(b.features(x)))


def test_what_is_asked_wrongly_is_refused() -> None:
    with pytest.raises(SchemeError, match="the first layer of the network learns"):
        tl.compile(
            Branches().eval(), torch.zeros(1, 2, 8, 8), "full", target="host", split_features=True
        )
    with pytest.raises(TargetError, match="'onnx' runs a step as a whole"):
        compiled("float32", True, target="onnx")
    with compiled("int8", True, target="host").build("host") as trainer:
        f = trainer.features(drawn(1))
        with pytest.raises(DataError, match=f"allowed: the {f.nbytes} bytes that"):
            trainer.step_features(f[1:], np.array([0]))
        with pytest.raises(DataError, match="labels in 7"):
            trainer.step_features(f, np.array([7]))
    with (
        compiled("int8", False, target="host").build("host") as trainer,
        pytest.raises(TrainletError, match="compile with split_features=True"),
    ):
        trainer.features(drawn(1))
