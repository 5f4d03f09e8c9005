"""Inputs of other types than float32."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")

import onnx
from onnx import TensorProto, helper, numpy_helper

import trainlet as tl
from onnx_files.written import drawn
from trainlet.errors import UnsupportedError
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.oracle import OracleDevice
from trainlet.run.trainer import Trainer

W = drawn(6, 3)


def written(folder, kind, rows, tensors=()):
    """A file that reads x [2,6] of a type, and what `f` makes of it with a linear layer."""
    nodes = [helper.make_node(op, i, o, **how) for op, i, o, how in rows]
    nodes.append(helper.make_node("MatMul", ["f", "w"], ["y"]))
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", kind, (2, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in {"w": W, **dict(tensors)}.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


CAST = [("Reshape", ["x", "s"], ["r"], {}), ("Cast", ["r"], ["f"], {"to": TensorProto.FLOAT})]
SHAPE = {"s": np.array([2, 6])}


@pytest.mark.parametrize("kind", ["DOUBLE", "BOOL", "INT8", "UINT8", "INT32", "INT64"])
def test_numbers_that_are_cast_first_are_floats(kind, tmp_path):
    graph = tl.load(written(tmp_path, getattr(TensorProto, kind), CAST, SHAPE))
    (x,) = graph.leaves("input")
    assert x.type.dtype == "float32" and x.type.shape == (2, 6)
    given = np.array([[0, 1, 1, 0, 1, 0]] * 2, np.float32)
    made = evaluate_graph(graph, {x.name: given, "w": W})["logits"]
    np.testing.assert_allclose(made, given @ W, rtol=1e-5)


def test_conditions_are_floats(tmp_path):
    rows = [("Where", ["x", "a", "b"], ["f"], {})]
    tensors = {"a": np.full((1, 6), 2, np.float32), "b": np.full((1, 6), -1, np.float32)}
    graph = tl.load(written(tmp_path, TensorProto.BOOL, rows, tensors))
    given = np.array([[0, 1, 1, 0, 1, 0]] * 2, np.float32)
    made = evaluate_graph(graph, {"x": given, "w": W, **tensors})["logits"]
    np.testing.assert_allclose(made, np.where(given > 0, 2, -1) @ W, rtol=1e-5)


@pytest.mark.parametrize(("kind", "zero"), [("UINT8", 130), ("INT8", 2)])
def test_quantised_inputs_are_integers(kind, zero, tmp_path):
    """A uint8 is an int8 that is smaller by 128."""
    dtype = np.dtype(kind.lower())
    tensors = {"scale": np.float32(0.05), "zero": dtype.type(zero)}
    rows = [("DequantizeLinear", ["x", "scale", "zero"], ["f"], {})]
    graph = tl.load(written(tmp_path, getattr(TensorProto, kind), rows, tensors))
    (x,) = graph.leaves("input")
    assert x.type.dtype == "int8" and x.type.quant.zero_point == (2,)
    program = tl.compile(graph, None, "last", target="host")
    given = np.arange(-6, 6, dtype=np.int8).reshape(2, 6)
    expected = (given.astype(np.float32) - 2) * np.float32(0.05) @ W
    found = Trainer(program, OracleDevice(program)).predict(given)
    np.testing.assert_allclose(np.reshape(found, (2, 3)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("DOUBLE", [("Mul", ["x", "x"], ["d"], {}), ("Cast", ["d"], ["f"], {"to": 1})]),
        ("INT32", [("Add", ["x", "x"], ["d"], {}), ("Cast", ["d"], ["f"], {"to": 1})]),
        ("UINT8", [("Cast", ["x"], ["d"], {"to": 6}), ("Cast", ["d"], ["f"], {"to": 1})]),
    ],
)
def test_arithmetic_of_other_types_is_refused(kind, rows, tmp_path):
    path = written(tmp_path, getattr(TensorProto, kind), rows)
    with pytest.raises(UnsupportedError, match=rf"the input 'x' is {np.dtype(kind.lower())}"):
        tl.load(path)


def test_a_condition_that_chooses_infinities_is_refused(tmp_path):
    """Minus infinity is a large number here, and a row that is hidden as a whole not NaN."""
    rows = [("Where", ["x", "a", "b"], ["f"], {})]
    tensors = {"a": np.zeros((1, 6), np.float32), "b": np.full((1, 6), -np.inf, np.float32)}
    with pytest.raises(UnsupportedError, match="a condition that is an input chooses infinities"):
        tl.load(written(tmp_path, TensorProto.BOOL, rows, tensors), check=False)
