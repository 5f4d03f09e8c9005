"""Graphs as other exporters write them: `load` compares each operator with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")

from onnx import TensorProto, helper, numpy_helper

import trainlet as tl
from zoo import NETWORKS


def keras_like(folder):
    """What tf2onnx writes of a Keras network: maps are NHWC, so each convolution stands between
    transpositions; borders are a Pad; the shape of a Reshape is computed from the input's."""
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return (rng.normal(size=shape) * 0.3).astype(np.float32)

    to_first, to_last = [0, 3, 1, 2], [0, 2, 3, 1]
    tensors = {
        "conv/kernel:0": drawn(8, 3, 3, 3), "depthwise/kernel:0": drawn(8, 1, 3, 3),
        "point/kernel:0": drawn(8, 8, 1, 1), "point/bias:0": drawn(8),
        "gamma:0": 1 + drawn(8), "beta:0": drawn(8), "mean:0": drawn(8),
        "variance:0": 1 + drawn(8) ** 2, "dense/kernel:0": drawn(72, 5), "dense/bias:0": drawn(5),
        "pads": np.array([0, 0, 0, 0, 0, 1, 1, 0], np.int64), "zero": np.array(0, np.float32),
        "six": np.array(6, np.float32), "first": np.array([0], np.int64),
        "second": np.array([1], np.int64), "width": np.array([72], np.int64),
    }  # fmt: skip
    rows = [
        ("Pad", ["input_1:0", "pads", "zero"], "padded", {}),
        ("Transpose", ["padded"], "a", {"perm": to_first}),
        ("Conv", ["a", "conv/kernel:0"], "b", {"strides": [2, 2], "kernel_shape": [3, 3]}),
        ("BatchNormalization", ["b", "gamma:0", "beta:0", "mean:0", "variance:0"], "c", {}),
        ("Transpose", ["c"], "d", {"perm": to_last}),
        ("Clip", ["d", "zero", "six"], "e", {}),
        ("Transpose", ["e"], "f", {"perm": to_first}),
        ("Conv", ["f", "depthwise/kernel:0"], "g",
         {"group": 8, "auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]}),
        ("Transpose", ["g"], "h", {"perm": to_last}),
        ("Relu", ["h"], "i", {}),
        ("Transpose", ["i"], "j", {"perm": to_first}),
        ("Conv", ["j", "point/kernel:0", "point/bias:0"], "k", {"kernel_shape": [1, 1]}),
        ("Transpose", ["k"], "l", {"perm": to_last}),
        ("Add", ["l", "e"], "m", {}),
        ("Transpose", ["m"], "n", {"perm": to_first}),
        ("AveragePool", ["n"], "o", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", ["o"], "p", {"perm": to_last}),
        ("Shape", ["p"], "shape", {}),
        ("Cast", ["shape"], "shape32", {"to": TensorProto.INT32}),
        ("Slice", ["shape32", "first", "second"], "batch", {}),
        ("Cast", ["width"], "width32", {"to": TensorProto.INT32}),
        ("Concat", ["batch", "width32"], "whole32", {"axis": 0}),
        ("Cast", ["whole32"], "whole", {"to": TensorProto.INT64}),
        ("Reshape", ["p", "whole"], "q", {}),
        ("MatMul", ["q", "dense/kernel:0"], "r", {}),
        ("Add", ["r", "dense/bias:0"], "s", {}),
        ("Softmax", ["s"], "dense", {"axis": -1}),
    ]  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [y], **how) for kind, inputs, y, how in rows],
        "keras",
        [helper.make_tensor_value_info("input_1:0", TensorProto.FLOAT, ["unk__1", 12, 12, 3])],
        [helper.make_tensor_value_info("dense", TensorProto.FLOAT, ["unk__2", 5])],
        [numpy_helper.from_array(v, k) for k, v in tensors.items()],
    )
    path = folder / "keras.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_network_of_keras(tmp_path):
    """No map is transposed by the trainer: all transpositions cancel."""
    path = keras_like(tmp_path)
    graph = tl.load(path, batch=2)
    assert {n.name for n in graph.leaves("param")} == {
        "conv/kernel:0", "depthwise/kernel:0", "point/kernel:0", "point/bias:0", "gamma:0",
        "beta:0", "dense/kernel:0", "dense/bias:0",
    }  # fmt: skip
    program = tl.compile(path, None, "last", target="cortex-m7")
    made = {n.op for n in program.stages["step"].graph.nodes()}
    assert "depthwise" in made
    assert not {"permute", "batch_norm"} & made


@pytest.mark.parametrize("name", ["audio_conv1d", "cct2"])
def test_pytorchs_newer_exporter_keeps_the_parameters(tmp_path, name):
    pytest.importorskip("onnxscript", reason="torch.onnx.export(dynamo=True) needs onnxscript")
    case = NETWORKS[name](1)
    path = tmp_path / "net.onnx"
    torch.onnx.export(case.model.eval(), (case.x,), path, dynamo=True, opset_version=20,
                      optimize=False, verbose=False)  # fmt: skip
    found = {n.name for n in tl.load(path).leaves("param")}
    assert {n for n, _ in case.model.named_parameters()} <= found
