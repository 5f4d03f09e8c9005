"""Models that cannot be compiled: the error says what, where, and what to do."""

import inspect
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl
from errors.small import SHAPE, Small, compiled, example, saved, small
from trainlet.errors import DataError, SchemeError, TrainletError, UnsupportedError

X = torch.zeros(SHAPE)
HERE = re.escape(__file__)


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.logcumsumexp(x, dim=1).mean(dim=(1, 2)))


def line_of(text: str, function: object) -> int:
    source, first = inspect.getsourcelines(function)
    return first + next(k for k, line in enumerate(source) if text in line)


def test_an_operator_is_named_with_the_users_line(tmp_path):
    line = line_of("logcumsumexp", Unsupported.forward)
    name = "logcumsumexp"
    message = rf"{name} in `.*{name}.*` \(module .* at {HERE}:{line}\) needs the operator '{name}'"
    with pytest.raises(UnsupportedError, match=message):
        tl.compile(Unsupported(), X, {"fc.bias": 1})
    path = saved(tmp_path, Unsupported())
    with pytest.raises(UnsupportedError, match=message):
        tl.load(path)


class OddArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.pool = nn.AvgPool2d(4, divisor_override=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x).mean(dim=(2, 3)))


def test_an_attribute_is_named_with_its_module():
    message = r"avg_pool2d \(module 'pool', .*:\d+\): divisor_override=3; allowed: None"
    with pytest.raises(UnsupportedError, match=message):
        tl.compile(OddArguments(), X, {"fc.bias": 1})


def test_control_flow_on_data():
    class Branch(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if x.sum() > 0 else -x)

    with pytest.raises(UnsupportedError, match="torch.export cannot export the model: .*[Dd]ata"):
        tl.compile(Branch(), X, {"fc.bias": 1})


def test_training_mode_batch_norm_in_a_file(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, 3))
    path = saved(tmp_path, model.train())
    with pytest.raises(UnsupportedError, match=r"batch.norm.*training mode.*model\.eval\(\)"):
        tl.load(path)
    program = tl.compile(model, X, {"3.bias": 1}, target="host")  # a module is put in eval mode
    assert model.training and program.params


def test_a_model_that_returns_no_floats():
    class Classes(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).argmax(1)

    with pytest.raises(UnsupportedError, match="returns no tensor of floats; allowed: one, or"):
        tl.compile(Classes(), X, {"fc.bias": 1})


def test_a_model_that_returns_its_input_or_a_constant():
    class Nothing(Small):
        def forward(self, x: Tensor) -> Tensor:
            return self.fc.bias.unsqueeze(0)

    with pytest.raises(TrainletError):
        tl.compile(Nothing(), X, {"conv.bias": 1})


def test_inputs_of_truth_values():
    with pytest.raises(UnsupportedError, match=r"input 0 is torch.bool .*allowed: torch.float32"):
        tl.compile(nn.Linear(6, 3), torch.zeros(1, 6, dtype=torch.bool), {"bias": 1})


def test_a_float64_model():
    with pytest.raises(UnsupportedError, match=r"torch.float64; allowed: torch.float32"):
        tl.compile(small().double(), X.double(), {"fc.bias": 1})
    with pytest.raises(UnsupportedError, match=r"torch.float16; allowed: torch.float32"):
        tl.compile(small().half(), X.half(), {"fc.bias": 1})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(value, tmp_path):
    model = small()
    with torch.no_grad():
        model.conv.weight[1, 0, 2, :2] = value
    with pytest.raises(DataError, match=r"'conv\.weight' holds 2 values that are NaN or infinite"):
        tl.compile(model, X, {"fc.bias": 1})
    with pytest.raises(DataError, match=r"'conv\.weight' holds 2 values"):
        tl.load(saved(tmp_path, model))


def test_a_batch_norm_whose_statistics_are_no_numbers():
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, 3))
    model[1].running_var[0] = -4
    with pytest.raises(TrainletError, match="1"):
        tl.compile(model.eval(), X, {"3.bias": 1})


def test_example_inputs():
    with pytest.raises(DataError, match="needs example_inputs: one tensor, or a tuple"):
        tl.compile(small(), None, {"fc.bias": 1})
    with pytest.raises(UnsupportedError, match="torch.export cannot export the model"):
        tl.compile(small(), torch.zeros(1, 5, 6, 6), {"fc.bias": 1})
    with pytest.raises(TrainletError, match=r"the model is a dict; allowed: a torch\.nn\.Module"):
        tl.compile({}, X, {"fc.bias": 1})


class Untrainable(nn.Module):
    """A parameter that the loss does not depend on, and one read through an argmax."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.idle = nn.Linear(6, 3), nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean(dim=(1, 2)))


def test_a_parameter_that_does_not_reach_the_loss():
    with pytest.raises(SchemeError, match="'idle'"):
        tl.compile(Untrainable(), X, {"idle": 1, "fc.bias": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float16"}, "precision 'float16'; allowed: 'float32', 'int8'"),
        ({"calibration": []}, "calibration needs"),
        ({"accumulate": 0}, "accumulate=0; allowed: a whole number, at least 1"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; known: cross_entropy, mse"),
        (
            {"target": "cortex-m5"},
            "unknown target 'cortex-m5'; allowed: host, wasm, onnx, cpu, cuda, cpu-bfloat16",
        ),
        ({"scheme": None}, r"the scheme is missing; start with trainlet\.schemes\.bias\(model\)"),
        ({"scheme": {}}, "trains no parameter"),
        ({"scheme": {"fc.bias": 0}}, "trains no parameter"),
    ],
)
def test_options(options, message):
    with pytest.raises(TrainletError, match=message):
        compiled(**options)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainletError, match="cannot write .*/file: "):
        compiled().write(tmp_path / "file")
    with pytest.raises(TrainletError, match="cannot write .*/file/deeper: "):
        compiled().write(tmp_path / "file" / "deeper")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    """The third file cannot be written."""
    real, written = Path.write_text, []

    def failing(path: Path, text: str, *rest: object, **options: object) -> int:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        return real(path, text, *rest, **options)

    program = compiled()
    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(TrainletError, match="No space left on device"):
        program.write(tmp_path / "out")
    assert len(written) == 2 and not list(tmp_path.iterdir())


def test_a_move_that_fails_leaves_the_old_project(tmp_path, monkeypatch):
    program = compiled()
    program.write(tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}

    def failing(source: object, goal: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(TrainletError, match="Permission denied"):
        compiled(small(seed=5)).write(tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_names_that_clash_in_c():
    """Dots become underscores: two parameters, and a reserved word, want one C name."""

    class Clash(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.a_b, self.int = nn.Module(), nn.Module(), nn.Linear(6, 3)
            self.a.b_c = nn.Parameter(torch.ones(3))
            self.a_b.c = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.int(x.mean(dim=(1, 2))) * self.a.b_c + self.a_b.c

    program = tl.compile(Clash(), X, {"a.b_c": 1, "a_b.c": 1, "int.bias": 1}, target="host")
    with program.build("host") as trainer:
        trainer.step(example(), [1])
        assert set(trainer.state()) == {"a.b_c", "a_b.c", "int.bias"}
