"""Recurrent networks of TensorFlow Lite: in float32 all trains, in integers the head."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

import trainlet as tl
from litert.reference import data, draw, oracle
from trainlet.frontends.tflite import import_tflite
from trainlet.ir.graph import Graph
from trainlet.passes.training_head import without_softmax

LSTM = "models/tflm/mnist_lstm_float.tflite"
INTEGERS = "models/tflm/mnist_lstm_int8.tflite"


@pytest.mark.parametrize("scheme", ["full", "last"])
def test_trains(scheme):
    rng = np.random.default_rng(0)
    x, y = rng.random((1, 28, 28), np.float32), np.array([3], np.int32)
    graph = without_softmax(import_tflite(data(LSTM)))
    program = tl.compile(graph, None, scheme, target="host", optimizer=tl.SGD(lr=0.001))
    names = {n.name for n in program.params}
    assert ("lstm_0.weight_hh" in names) == (scheme == "full")
    with program.build("host") as trainer:
        losses, first = [trainer.step(x, y)], trainer.state()
        losses += [trainer.step(x, y) for _ in range(4)]
    loss, _, state = tl.evaluate(program, x, y)
    assert losses[0] == pytest.approx(loss, abs=1e-5) and losses[-1] < losses[0]
    for name, value in state.items():
        np.testing.assert_allclose(first[name], value, rtol=0, atol=1e-5)


def test_integers_equal_litert_step_by_step():
    """Of every time step, not only what the head makes of it."""
    module = pytest.importorskip("ai_edge_litert.interpreter")
    graph = import_tflite(data(INTEGERS))
    result = next(n for n in graph.nodes() if n.type.shape == (1, 28, 20))
    litert = module.Interpreter(
        model_content=data(INTEGERS).read_bytes(),
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    litert.allocate_tensors()
    output = next(
        d["index"] for d in litert.get_tensor_details() if tuple(d["shape"]) == (1, 28, 20)
    )
    (source,) = graph.leaves("input")
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = draw(rng, source)
        if seed % 2:
            x = np.clip(rng.normal(-100, 40, x.shape), -128, 127).astype(np.int8)
        litert.reset_all_variables()
        litert.set_tensor(litert.get_input_details()[0]["index"], x)
        litert.invoke()
        expected = litert.get_tensor(output)
        assert len(np.unique(expected)) > 50
        found = oracle(Graph({"logits": result}, graph.values), x)
        np.testing.assert_array_equal(found, expected)


def test_the_head_of_an_integer_lstm_trains():
    rng = np.random.default_rng(0)
    x, y = rng.integers(-128, 128, (1, 28, 28)).astype(np.int8), np.array([3], np.int32)
    program = tl.compile(
        data(INTEGERS), None, "full", target="host", precision="int8", optimizer=tl.SGD(lr=0.001)
    )
    assert {n.name for n in program.params} == {"linear_0.weight", "linear_0.bias"}
    with program.build("host") as trainer:
        logits, losses = trainer.predict(x), [trainer.step(x, y)]
        state = trainer.state()
        losses += [trainer.step(x, y) for _ in range(4)]
    loss, expected, updated = tl.evaluate(program, x, y)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    assert losses[0] == pytest.approx(loss, abs=1e-4) and losses[-1] < losses[0]
    for name, value in updated.items():
        np.testing.assert_allclose(state[name], value, rtol=0, atol=1e-5)
