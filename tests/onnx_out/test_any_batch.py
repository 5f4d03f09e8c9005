"""Models for any batch compute for each what the program of that batch does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")
pytest.importorskip("onnxruntime", reason="needs pip install trainlet[onnx]")

import onnxruntime
import torch
from safetensors.numpy import load_file

import trainlet as tl
from trainlet.errors import TargetError, UnsupportedError
from trainlet.run.oracle import OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS


def written(name, folder, **how):
    case = NETWORKS[name](1)
    program = tl.compile(case.model, case.x, "full", target="onnx", check=False, **how)
    program.write(folder, any_batch=True)
    return onnxruntime.InferenceSession(folder / "step.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("name", "loss"), [("lenet5", "mse"), ("ds_cnn", "cross_entropy")])
def test_equals_the_program_of_each_batch(name, loss, tmp_path):
    session = written(name, tmp_path, loss=loss)
    state, names = (
        load_file(tmp_path / "state.safetensors"),
        [o.name for o in session.get_outputs()],
    )
    inputs = {i.name: i for i in session.get_inputs()}
    assert inputs["x"].shape[0] == "batch"
    for batch in (1, 2, 5):
        case = NETWORKS[name](batch)
        x, y = case.x.numpy(), case.y.numpy()
        if loss == "mse":
            y = np.eye(case.classes, dtype=np.float32)[y]
        program = tl.compile(case.model, case.x, "full", target="host", loss=loss, check=False)
        oracle = Trainer(program, OracleDevice(program))
        target = next(k for k in inputs if k not in ("x", "lr") and not k.startswith("state."))
        kept = {k: v for k, v in state.items() if k in inputs}
        given = {"x": x, target: y.astype(np.float32 if loss == "mse" else np.int32)}
        lr = np.array(0.01, np.float32)
        made = dict(zip(names, session.run(None, {**kept, **given, "lr": lr}), strict=True))
        assert abs(made["loss"] - oracle.step(x, y, lr=0.01)) < 1e-4
        for key, value in oracle.state().items():
            found = made[f"new.{key}"].reshape(value.shape)
            largest = float(np.abs(value).max())
            np.testing.assert_allclose(found, value, rtol=0, atol=1e-4 * largest, err_msg=key)


def test_images_are_treated_one_by_one_in_every_batch(tmp_path):
    """The gradient of the depthwise weight is a loop over large images."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 40, 1), torch.nn.Conv2d(40, 40, 3, padding=1, groups=40),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(40, 3),
    ).eval()  # fmt: skip
    x = torch.randn(4, 3, 64, 60)
    program = tl.compile(model, x[:1], "full", target="onnx", check=False)
    program.write(tmp_path, any_batch=True)
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx")
    state, y = load_file(tmp_path / "state.safetensors"), np.arange(4, dtype=np.int32) % 3
    given = {**state, "input": x.numpy(), "target": y, "lr": np.array(1, np.float32)}
    torch.nn.functional.cross_entropy(model(x), torch.tensor(y).long()).backward()
    (after,) = session.run(["new.1.weight"], given)
    step = torch.tensor(state["state.1.weight"] - after)
    torch.testing.assert_close(step, model[1].weight.grad[:, 0], rtol=1e-4, atol=1e-5)


def test_refuses_what_differs_in_more_than_numbers(tmp_path):
    with pytest.raises(UnsupportedError, match="cannot be written for any batch"):
        written("recurrent", tmp_path)
    assert not list(tmp_path.iterdir())


def test_needs_a_network_that_has_no_batch_of_its_own(tmp_path):
    case = NETWORKS["mlp"](1)
    graph = tl.prepare(case.model, case.x, check=False)
    program = tl.compile(graph, None, "last", target="onnx")
    with pytest.raises(UnsupportedError, match=r"torch\.nn\.Module"):
        program.write(tmp_path, any_batch=True)
    host = tl.compile(case.model, case.x, "last", target="host", check=False)
    with pytest.raises(TargetError, match="one batch size"):
        host.write(tmp_path, any_batch=True)
