"""Logits instead of probabilities, and a float32 head on an integer network."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

import trainlet as tl
from litert.networks import FLOAT, QUANTISED
from litert.reference import data, draw, leaves, oracle
from litert.writer import Operator, Tensor, write
from trainlet.frontends.tflite import import_tflite
from trainlet.ir.types import TensorType
from trainlet.ops.objective import Loss, total_loss
from trainlet.ops.verify import verify
from trainlet.passes.differentiate import differentiate
from trainlet.passes.freeze import fold_constants
from trainlet.passes.training_head import float_head, without_softmax
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer

LINEAR_LAST = [name for name in QUANTISED if name != "person_detect"]


def integers(graph, x):
    """Logits of a network without softmax, in real values if they are integers."""
    y = oracle(graph, x)
    quant = graph.outputs["logits"].type.quant
    return y if quant is None else (y.astype(np.float32) - quant.zero_point[0]) * quant.scale[0]


@pytest.mark.parametrize("name", QUANTISED)
def test_float_logits_are_within_a_step_of_the_integer_ones(name):
    before = without_softmax(import_tflite(data(QUANTISED[name])))
    after = verify(float_head(before))
    assert after.outputs["logits"].type == TensorType(before.outputs["logits"].type.shape)
    x = draw(np.random.default_rng(0), before.leaves("input")[0])
    found, expected = oracle(after, x), integers(before, x)
    step = 0.51 * max(
        n.type.quant.scale[0] for n in before.nodes() if n.type.dtype == "int8" and not n.is_leaf
    )
    quant = before.outputs["logits"].type.quant
    limits = (np.array([-127, 126]) - quant.zero_point[0]) * quant.scale[0] if quant else (-9, 9)
    inside = (expected > limits[0]) & (expected < limits[1])
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=step)


@pytest.mark.parametrize("name", LINEAR_LAST)
def test_the_head_is_float_under_the_same_names(name):
    before = without_softmax(import_tflite(data(QUANTISED[name])))
    after = float_head(before)
    last = [n.name for n in before.leaves("param") if n.name.startswith("linear")][-2:]
    kinds = {n.name: n.type.dtype for n in after.leaves("param")}
    assert set(kinds) == {n.name for n in before.leaves("param")}
    assert [k for k, kind in kinds.items() if kind == "float32"] == last
    assert not [n for n in after.nodes() if n.op.startswith("softmax")]


def test_float_network_loses_its_softmax_alone():
    before = import_tflite(data(FLOAT["ic"]))
    after = without_softmax(before)
    assert before.outputs["logits"].op == "softmax" and after.outputs["logits"].op == "linear"
    assert float_head(after) is after


def test_a_fused_activation_is_kept(opened):
    x = Tensor((1, 4), "INT8", [0.5], [0])
    w = Tensor((3, 4), "INT8", [0.1], [0], 0, np.ones((3, 4), np.int8))
    y = Tensor((1, 3), "INT8", [0.5], [-20])
    fields = {"FusedActivationFunction": 1}
    content = write([x, w, y], [Operator("FULLY_CONNECTED", [0, 1], 2, "FullyConnectedOptions",
                                         fields)])  # fmt: skip
    assert float_head(opened(content)).outputs["logits"].inputs[0].op == "linear_i8"


def test_beta_stays_in_the_logits(opened):
    x, y = Tensor((1, 4), "INT8", [0.5], [0]), Tensor((1, 4), "INT8", [1 / 256], [-128])
    content = write([x, y], [Operator("SOFTMAX", [0], 1, "SoftmaxOptions", {"Beta": 2.0})])
    given = np.array([[1, 2, 3, -4]], np.int8)
    np.testing.assert_array_equal(oracle(without_softmax(opened(content)), given), given * 1.0)


def test_beta_of_floats(opened):
    x, y = Tensor((1, 3), "FLOAT32"), Tensor((1, 3), "FLOAT32")
    content = write([x, y], [Operator("SOFTMAX", [0], 1, "SoftmaxOptions", {"Beta": 2.0})])
    given = np.array([[1, 2, 3]], np.float32)
    expected = np.exp(2 * given) / np.exp(2 * given).sum()
    np.testing.assert_allclose(oracle(opened(content), given), expected, rtol=1e-6)
    np.testing.assert_array_equal(oracle(without_softmax(opened(content)), given), 2 * given)


def classifier(softmax):
    """A small int8 classifier as a file; its last operator is a softmax if that is asked for."""
    rng = np.random.default_rng(0)
    x, z = Tensor((1, 6), "INT8", [0.05], [3]), Tensor((1, 4), "INT8", [0.1], [-7])
    w = Tensor((4, 6), "INT8", [0.02], [0], 0, rng.integers(-127, 128, (4, 6)).astype(np.int8))
    b = Tensor((4,), "INT32", [0.001], [0], 0, rng.integers(-99, 99, 4).astype(np.int32))
    tensors, operators = [x, w, b, z], [Operator("FULLY_CONNECTED", [0, 1, 2], 3,
                                                 "FullyConnectedOptions", {})]  # fmt: skip
    if softmax:
        tensors.append(Tensor((1, 4), "INT8", [1 / 256], [-128]))
        operators.append(Operator("SOFTMAX", [3], 4, "SoftmaxOptions", {"Beta": 1.0}))
    return write(tensors, operators), rng.integers(-128, 128, (1, 6)).astype(np.int8)


@pytest.mark.parametrize("softmax", [True, False], ids=["softmax", "logits"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "bce_with_logits"])
@pytest.mark.parametrize("head", [True, False], ids=["float-head", "int8-head"])
@pytest.mark.parametrize("gradient", ["float32", "int16", "int8"])
def test_every_head_learns_every_loss(opened, softmax, loss, head, gradient):
    content, x = classifier(softmax)
    precision = tl.Int8(float_head=head, gradient=gradient)
    made = tl.compile(opened(content), None, "last", target="host", precision=precision, loss=loss)
    target = np.array([2]) if loss == "cross_entropy" else np.eye(4, dtype=np.float32)[2:3]
    trainer = Trainer(made, OracleDevice(made))
    rate = 0.02 if loss == "mse" and not softmax else 0.5
    losses = [trainer.step(x, target, rate) for _ in range(4)]
    assert losses[-1] < losses[0]
    logits = trainer.predict(x)
    assert logits.dtype == np.float32
    probabilities = softmax and loss != "cross_entropy"
    assert probabilities == bool(np.isclose(logits.sum(), 1, atol=1e-5))


def test_an_int8_head_in_c(opened):
    content, x = classifier(True)
    precision = tl.Int8(float_head=False)
    made = tl.compile(opened(content), None, "last", target="host", precision=precision)
    with made.build("host") as trainer:
        oracle = Trainer(made, OracleDevice(made))
        for _ in range(3):
            assert trainer.step(x, [2], 0.2) == oracle.step(x, [2], 0.2)


def test_a_network_of_integers_needs_no_precision(opened):
    content, _ = classifier(True)
    made = tl.compile(opened(content), None, "last", target="host")
    assert made.precision == tl.Int8()
    with pytest.raises(tl.TrainletError, match="'float32' for an int8 network; leave it out"):
        tl.compile(opened(content), None, "last", target="host", precision="float32")


@pytest.mark.parametrize("name", ["kws", "ic", "mcunet_vww"])
def test_every_parameter_gets_a_finite_gradient(name):
    graph = float_head(without_softmax(import_tflite(data(QUANTISED[name]))))
    loss = total_loss([Loss("cross_entropy")], {"logits": graph.outputs["logits"]}, {})
    graph = type(graph)({**graph.outputs, "loss": loss}, graph.values)
    graph = verify(fold_constants(differentiate(graph)))
    assert not [n for n in graph.nodes() if n.op == "channel_scale"], "folded into constants"
    params = graph.leaves("param")
    assert {k for k in graph.outputs if k.startswith("grad.")} == {f"grad.{p.name}" for p in params}
    x = draw(np.random.default_rng(0), graph.leaves("input")[0])
    found = evaluate_graph(graph, leaves(graph, [x, np.array([1], np.int32)]))
    for p in params:
        gradient = found[f"grad.{p.name}"]
        assert gradient.shape == p.type.shape and gradient.dtype == np.float32
        assert np.isfinite(gradient).all()
