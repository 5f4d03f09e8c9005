"""Int8 networks of ONNX Runtime's quantiser: integer operators, each within a step of ONNX
Runtime's, which train in int8."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs pip install trainlet[onnx]")

import trainlet as tl
from onnx_files.quantized import draw, quantized
from onnx_files.written import drawn, written
from trainlet.ir.storage import to_device
from trainlet.run.evaluate import evaluate_graph

FORMS = [
    pytest.param("QDQ", False, True, id="qdq"),
    pytest.param("QDQ", True, False, id="qdq of uint8"),
    pytest.param("QOperator", False, True, id="qoperator"),
    pytest.param("QOperator", True, False, id="qoperator of uint8"),
]
SCHEME = {"depth.weight": 1.0, "point.bias": 1.0, "beside.weight": 0.5, "fc.weight": 1.0,
          "fc.bias": 1.0}  # fmt: skip
LAYERS = {"conv2d_i8": 4, "depthwise_i8": 1, "linear_i8": 1}
INTEGERS = {"add_i8", "mul_i8", "leaky_relu_i8", "max_pool_i8", "avg_pool_i8", "mean_i8",
            "concat_i8"}  # fmt: skip


def predicted(graph, x):
    leaves = {n.name: to_device(n, graph.values[n.name]) for n in graph.leaves("param", "const")}
    (y,) = evaluate_graph(graph, leaves | {"x": x}).values()
    return y


@pytest.mark.parametrize(("form", "unsigned", "by_channel"), FORMS)
def test_is_integers_and_predicts_as_onnxruntime(tmp_path, form, unsigned, by_channel):
    """`load` compares each operator, given ONNX Runtime's inputs; over the network steps add up."""
    import onnxruntime

    path = quantized(tmp_path, form, unsigned, by_channel)
    graph = tl.load(path)
    made = [n.op for n in graph.nodes()]
    assert {op: made.count(op) for op in LAYERS} == LAYERS
    assert INTEGERS <= set(made)
    assert {n.name for n in graph.leaves("param")} == {
        "first.weight", "first.bias", "depth.weight", "point.weight", "point.bias",
        "beside.weight", "beside.bias", "gate.weight", "gate.bias", "fc.weight", "fc.bias",
    }  # fmt: skip
    options = onnxruntime.SessionOptions()
    # On processors without VNNI ONNX Runtime saturates sums of two products of uint8 and int8.
    if unsigned or form == "QDQ":
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    step = graph.outputs["logits"].attrs["scale"]
    for x in draw(np.random.default_rng(1), 6):
        (expected,) = session.run(None, {"x": x})
        assert np.abs(predicted(graph, x) - expected).max() <= 2.01 * step


def test_trains_in_int8(tmp_path):
    """Two classes that differ in brightness, by the C of a Cortex-M7."""
    path = quantized(tmp_path)
    program = tl.compile(path, None, SCHEME, target="cortex-m7", optimizer=tl.SGD(lr=0.05))
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 60)
    pictures = draw(rng, 60) * 0.5 + labels[:, None, None, None, None].astype(np.float32)
    with program.build("host") as trainer, program.build("unicorn") as device:
        assert trainer.step(pictures[0], labels[:1]) == device.step(pictures[0], labels[:1])
        losses = [trainer.step(x, np.array([k])) for x, k in zip(pictures, labels, strict=True)]
        state = trainer.state()
    assert np.mean(losses[-15:]) < 0.65 * np.mean(losses[:15])
    assert state["depth.weight"].shape == (8, 1, 3, 3)
    assert any(n.op == "conv2d_bfp_dx" for n in program.stages["step"].graph.nodes())


def test_a_last_softmax_is_left_to_the_loss(tmp_path):
    """Its result is integers again in the file; training reads the logits before it."""
    rows = [
        ("QuantizeLinear", ["x", "s", "z"], ["a"], {}),
        ("DequantizeLinear", ["a", "s", "z"], ["b"], {}),
        ("DequantizeLinear", ["w_quantized", "s"], ["c"], {}),
        ("MatMul", ["b", "c"], ["d"], {}),
        ("QuantizeLinear", ["d", "s", "z"], ["e"], {}),
        ("DequantizeLinear", ["e", "s", "z"], ["f"], {}),
        ("Softmax", ["f"], ["g"], {}),
        ("QuantizeLinear", ["g", "t", "u"], ["h"], {}),
        ("DequantizeLinear", ["h", "t", "u"], ["y"], {}),
    ]
    tensors = {"s": np.float32(0.1), "z": np.int8(3), "t": np.float32(1 / 256),
               "u": np.int8(-128), "w_quantized": np.full((4, 3), 5, np.int8)}  # fmt: skip
    graph = tl.prepare(written(tmp_path, rows, drawn(1, 4), tensors))
    assert graph.outputs["logits"].op == "linear"
    assert graph.outputs["probabilities"].op == "softmax"
    np.testing.assert_allclose(graph.values["w"], np.full((4, 3), 0.5), rtol=1e-6)


def test_two_outputs(tmp_path):
    """One ends in a softmax; both heads are float32 and learn."""
    rows = [
        ("QuantizeLinear", ["x", "s", "z"], ["a"], {}),
        ("DequantizeLinear", ["a", "s", "z"], ["b"], {}),
    ]
    for name in ("v", "w"):
        rows += [
            ("DequantizeLinear", [f"{name}_quantized", "s"], [f"{name}.c"], {}),
            ("MatMul", ["b", f"{name}.c"], [f"{name}.d"], {}),
            ("QuantizeLinear", [f"{name}.d", "s", "z"], [f"{name}.e"], {}),
            ("DequantizeLinear", [f"{name}.e", "s", "z"], [f"{name}.f"], {}),
        ]
    rows += [("Softmax", ["v.f"], ["p"], {}), ("Identity", ["w.f"], ["y"], {})]
    tensors = {"s": np.float32(0.1), "z": np.int8(3), "v_quantized": np.full((4, 3), 5, np.int8),
               "w_quantized": np.full((4, 2), 2, np.int8)}  # fmt: skip
    path = written(tmp_path, rows, drawn(1, 4), tensors, outputs=("p", "y"))
    losses = [tl.Loss("cross_entropy", output="p"),
              tl.Loss("mse", output="y", target="wanted")]  # fmt: skip
    program = tl.compile(path, None, "full", target="host", loss=losses)
    with program.build("host") as trainer:
        x, y = np.ones((1, 4), np.float32), {"target": [2], "wanted": np.ones((1, 2), np.float32)}
        before = trainer.step(x, y, 0.02)
        assert trainer.step(x, y, 0.02) < before
        assert not np.isclose(trainer.predict(x)["p"].sum(), 1)


def test_an_output_that_another_layer_reads_keeps_its_integers(tmp_path):
    rows = [("QuantizeLinear", ["x", "s", "z"], ["a"], {}),
            ("DequantizeLinear", ["a", "s", "z"], ["b"], {})]  # fmt: skip
    for name, read in (("v", "b"), ("w", "v.f")):
        rows += [
            ("DequantizeLinear", [f"{name}_quantized", "s"], [f"{name}.c"], {}),
            ("MatMul", [read, f"{name}.c"], [f"{name}.d"], {}),
            ("QuantizeLinear", [f"{name}.d", "s", "z"], [f"{name}.e"], {}),
            ("DequantizeLinear", [f"{name}.e", "s", "z"], [f"{name}.f"], {}),
        ]
    tensors = {"s": np.float32(0.1), "z": np.int8(3), "v_quantized": np.full((4, 3), 5, np.int8),
               "w_quantized": np.full((3, 2), 2, np.int8)}  # fmt: skip
    graph = tl.prepare(written(tmp_path, rows, drawn(1, 4), tensors, outputs=("v.f", "w.f")))
    layers = [n for n in graph.nodes() if n.op.startswith("linear")]
    assert sorted((n.op, n.inputs[1].name) for n in layers) == [("linear", "w"), ("linear_i8", "v")]


def test_weights_with_zero_points_are_computed_in_float32(tmp_path):
    """Of uint8 weights those with zero point 128 are integers; the quantiser gave it to one."""
    graph = tl.load(quantized(tmp_path, unsigned=True, by_channel=False, weights="QUInt8"))
    weights = {n.name: n for n in graph.leaves("param") if n.name.endswith("weight")}
    real = {name for name, n in weights.items() if n.type.dtype == "float32"}
    assert len(weights) == 6
    assert 0 < len(real) < 6
    made = [n.op for n in graph.nodes()]
    assert sum(made.count(op.removesuffix("_i8")) for op in LAYERS) == len(real)
