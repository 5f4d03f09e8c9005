"""Models for any batch compute for each what the program of that batch does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")
pytest.importorskip("onnxruntime", reason="needs pip install trainlet[onnx]")

import onnxruntime
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
            np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5, err_msg=key)


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
