"""A step in ONNX is the oracle's: every loss and every parameter, for twenty steps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")
pytest.importorskip("onnxruntime", reason="needs pip install trainlet[onnx]")

import onnx
import onnxruntime
import torch
from typer.testing import CliRunner

import trainlet as tl
from trainlet.backends.onnx.model import Models
from trainlet.cli.main import app
from trainlet.errors import DivergedError, TargetError, UnsupportedError
from trainlet.run.oracle import OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS

from .wide import WideDevice

STEPS = 20
LARGE = ("mobilenet_v1", "se_hardswish", "resnet8", "ds_cnn")


def compiled(name, scheme="full", **how):
    case = NETWORKS[name](2)
    return case, tl.compile(case.model, case.x, scheme, target="onnx", check=False, **how)


def check(name, steps=STEPS, **how):
    case, program = compiled(name, **{"optimizer": tl.SGD(lr=1e-3), **how})
    x, y = case.x.numpy(), case.y.numpy()
    ours, oracle = program.build("onnxruntime"), Trainer(program, OracleDevice(program))
    losses = np.array([(ours.step(x, y), oracle.step(x, y)) for _ in range(steps)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-4, atol=1e-4)
    state, expected = ours.state(), oracle.state()
    for key, value in expected.items():
        np.testing.assert_allclose(state[key], value, rtol=1e-4, atol=1e-4, err_msg=key)
    np.testing.assert_allclose(ours.predict(x), oracle.predict(x), rtol=1e-3, atol=1e-2)
    assert losses[-1, 0] < losses[0, 0]
    return program


@pytest.mark.parametrize("name", ["mlp", "lenet5", "audio_conv1d", "recurrent"])
def test_networks(name):
    check(name)


def test_loops_with_masks():
    """The backward loop of a ReLU compares the states that the forward loop keeps."""
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            how = {"nonlinearity": "relu", "bidirectional": True, "num_layers": 2}
            self.first = torch.nn.Linear(5, 5)
            self.layer = torch.nn.RNN(5, 6, batch_first=True, **how)
            self.last = torch.nn.Linear(12, 3)

        def forward(self, x):
            return self.last(self.layer(self.first(x))[0].mean(1))

    x, y = torch.randn(2, 7, 5), np.array([0, 2])
    for scheme in ("full", {"first.weight": 1.0}):
        program = tl.compile(Net().eval(), x, scheme, target="onnx", check=False)
        ours, oracle = program.build("onnxruntime"), Trainer(program, OracleDevice(program))
        for _ in range(3):
            assert abs(ours.step(x.numpy(), y) - oracle.step(x.numpy(), y)) < 1e-5
        state = ours.state()
        for key, value in oracle.state().items():
            np.testing.assert_allclose(state[key], value, rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LARGE, "cct2"])
def test_large_networks(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "draw"), [("mobilenet_v2", 3), ("mcunet_like", 0)])
def test_networks_that_amplify_rounding(name, draw):
    """Float32 cannot follow ten steps of these networks within 1e-4: in float64, parameters
    that differ by a rounding of float32 give other losses.  The step in ONNX is no further from
    float64 than twice that, and one step of it is the oracle's."""
    case, program = compiled(name, optimizer=tl.SGD(lr=1e-3))
    x, y = case.x.numpy(), case.y.numpy()
    exact, moved = WideDevice(program), WideDevice(program)
    rng = np.random.default_rng(draw)
    moved.values = {
        k: v * (1 + 2.0**-24 * rng.uniform(-1, 1, v.shape)) if v.dtype == np.float64 else v
        for k, v in moved.values.items()
    }
    ours, oracle = program.build("onnxruntime"), Trainer(program, OracleDevice(program))
    assert abs(ours.step(x, y) - oracle.step(x, y)) < 1e-5
    state = ours.state()
    for key, value in oracle.state().items():
        np.testing.assert_allclose(state[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
    ours.reset()
    trainers = ours, Trainer(program, exact), Trainer(program, moved)
    losses = np.array([[t.step(x, y) for t in trainers] for _ in range(STEPS // 2)])
    own, least = np.abs(losses[:, [0, 2]] - losses[:, [1]]).max(0)
    assert least > 1e-4, "a network that rounding does not move belongs to the other tests"
    assert own < 2 * least


@pytest.mark.parametrize(
    "how",
    [
        {"optimizer": tl.SGD(lr=1e-3, momentum=0.9)},
        {"optimizer": tl.Adam(lr=1e-3)},
        {"optimizer": tl.RMSprop(lr=1e-4)},
        {"accumulate": 2},
        {"accumulate": 2, "optimizer": tl.Adam(lr=1e-3)},
        {"loss": ["cross_entropy", tl.L2(1e-2), tl.Proximal(1e-2)]},
        {"loss": tl.Loss("cross_entropy", class_weights=(0.5,) * 5 + (2.0,) * 5)},
        {"scheme": "last"},
        {"scheme": {"conv2.weight": 0.5, "fc3.weight": 1, "fc3.bias": 1}},
    ],
    ids=[
        "momentum",
        "adam",
        "rmsprop",
        "accumulate",
        "accumulate adam",
        "penalties",
        "weights",
        "last",
        "sparse",
    ],
)
def test_updates(how):
    check("lenet5", 6, **how)


def test_maps_and_weights_lie_as_convolutions_read_them():
    """Only what turns a pointwise weight around for an input gradient is transposed."""
    _, program = compiled("ds_cnn", "bias")
    models = Models(program).models
    kinds = Counter(n.op_type for n in models["step"].graph.node)
    assert kinds["Conv"] > 8 and kinds["Transpose"] == 0
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim]
              for i in models["predict"].graph.input}  # fmt: skip
    assert shapes["x"] == list(compiled("ds_cnn")[0].x.shape)


def test_a_step_writes_the_arrays_that_the_step_before_read():
    case, program = compiled("mlp")
    trainer = program.build("onnxruntime")
    device, x, y = trainer.device, case.x.numpy(), case.y.numpy()
    where = []
    for _ in range(4):
        trainer.step(x, y)
        where.append({k: v.ctypes.data for k, v in device.values.items()})
    assert where[1] == where[3] and where[0] == where[2]
    assert set(where[0].values()).isdisjoint(where[1].values())


def test_a_step_that_diverges_changes_nothing():
    case, program = compiled("mlp")
    trainer = program.build("onnxruntime")
    x, y = case.x.numpy(), case.y.numpy()
    trainer.step(x, y)
    before = trainer.save()
    with pytest.raises(DivergedError, match="an update overflows"):
        trainer.step(x * np.float32(1e3), y, lr=3e38)
    assert trainer.save() == before
    trainer.step(x, y)
    assert trainer.save() != before


def test_the_files_run_without_trainlet(tmp_path):
    _, program = compiled("mlp")
    program.write(tmp_path)
    names = {"step.onnx", "predict.onnx", "state.safetensors", "run.py", "train.cpp"}
    assert {p.name for p in tmp_path.iterdir()} == names
    model = onnx.load(tmp_path / "step.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 21)}
    command = [sys.executable, "-I", str(tmp_path / "run.py"), "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    losses = [float(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines()]
    assert len(losses) == 3 and losses[2] < losses[0]


def test_large_constants_are_in_one_file(tmp_path):
    """Each once, and the models compute with them what they do without the file."""
    case, program = compiled("lenet5", "last")
    program.write(tmp_path)
    paths = [tmp_path / f"{name}.onnx" for name in ("step", "predict")]
    apart = [onnx.load(path, load_external_data=False).graph.initializer for path in paths]
    places = {e.value for t in apart[0] for e in t.external_data if e.key == "offset"}
    assert len(places) > 2 and sum(path.stat().st_size for path in paths) < 20_000
    state = {f"state.{k}": v for k, v in program.build("onnxruntime").device.values.items()}
    session = onnxruntime.InferenceSession(tmp_path / "predict.onnx")
    fed = {i.name: state.get(i.name, case.x.numpy()) for i in session.get_inputs()}
    found = session.run(None, fed)[0]
    expected = Trainer(program, OracleDevice(program)).predict(case.x.numpy())
    np.testing.assert_allclose(found.reshape(-1), np.reshape(expected, -1), rtol=1e-4, atol=1e-4)


def test_an_axis_moves_with_the_maps():
    """Maps are joined and cut along axes whose numbers are others in ONNX."""
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Conv2d(2, 3, 3), torch.nn.Conv2d(2, 4, 3)
            self.c, self.last = torch.nn.Conv2d(7, 2, 1), torch.nn.Linear(2 * 3 * 6, 3)

        def forward(self, x):
            both = torch.cat([self.a(x), self.b(x)], 1).relu()
            return self.last(self.c(both)[:, :, 1:4].flatten(1))

    x, y = torch.randn(2, 2, 7, 8), np.array([0, 2])
    program = tl.compile(Net().eval(), x, "full", target="onnx", check=False)
    ours, oracle = program.build("onnxruntime"), Trainer(program, OracleDevice(program))
    for _ in range(2):
        assert abs(ours.step(x.numpy(), y) - oracle.step(x.numpy(), y)) < 1e-5


def kept_masks(scheme):
    """The masks that are asked for early, and all."""
    _, program = compiled("ds_cnn", scheme)
    kinds = Counter(n.op_type for n in Models(program).models["step"].graph.node)
    return kinds["Size"], kinds["Greater"]


def test_masks_are_computed_early_where_their_values_are_not_kept():
    assert kept_masks("bias") == (9, 9)
    early, every = kept_masks("full")
    assert early < every


WARNINGS = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "train.cpp"]


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_the_example_in_cpp_uses_the_interface_as_declared(tmp_path):
    _, program = compiled("mlp")
    program.write(tmp_path)
    interface = Path(__file__).parent / "interface"
    subprocess.run([*WARNINGS, "-fsyntax-only", "-I", interface], cwd=tmp_path, check=True)


@pytest.mark.skipif("ONNXRUNTIME" not in os.environ, reason="ONNXRUNTIME is no folder with the "
                    "headers of ONNX Runtime in include/")  # fmt: skip
def test_the_example_in_cpp_trains(tmp_path):
    """With the library of the Python package."""
    _, program = compiled("mlp")
    program.write(tmp_path)
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)
    headers = Path(os.environ["ONNXRUNTIME"]) / "include"
    build = [*WARNINGS, "-I", headers, library, "-o", "train"]
    subprocess.run(build, cwd=tmp_path, check=True)
    libraries = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([tmp_path / "train", "3"], cwd=tmp_path, env=libraries, check=True,
                          capture_output=True, text=True)  # fmt: skip
    losses = [float(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines()]
    assert len(losses) == 3 and losses[2] < losses[0]


def test_the_command_line_trains(tmp_path):
    case = NETWORKS["mlp"](2)
    net, data = tmp_path / "net.pt2", tmp_path / "data.npz"
    torch.export.save(torch.export.export(case.model, (case.x,)), net)
    np.savez(data, x=case.x.numpy(), y=case.y.numpy())
    command = ["run", str(net), "--data", str(data), "--scheme", "full", "--target", "onnx"]
    command += ["--on", "onnxruntime", "--epochs", "3", "--save", str(tmp_path / "state.bin")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    program = tl.compile(case.model, case.x, "full", target="onnx", check=False)
    trainer = Trainer(program, OracleDevice(program))
    before = trainer.state()
    trainer.load((tmp_path / "state.bin").read_bytes())
    assert any((value != before[key]).any() for key, value in trainer.state().items())


def test_the_command_line_writes_them(tmp_path):
    case = NETWORKS["mlp"](1)
    net = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(case.model, (case.x,)), net)
    command = ["compile", str(net), "--scheme", "last", "--target", "onnx"]
    command += ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "The models are in" in result.output
    assert (tmp_path / "out" / "step.onnx").exists()


def test_says_what_has_no_form():
    shown = [NETWORKS["mlp"](8).x]
    _, program = compiled("mlp", "last", precision="int8", calibration=shown)
    with pytest.raises(UnsupportedError, match="target='onnx' has no form of 'linear_i8'"):
        program.build("onnxruntime")


def test_another_target_does_not_run_on_onnxruntime():
    case = NETWORKS["mlp"](1)
    program = tl.compile(case.model, case.x, "last", target="host")
    with pytest.raises(TargetError, match="compile for target='onnx'"):
        program.build("onnxruntime")
