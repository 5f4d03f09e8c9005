"""A recurrent network of TensorFlow Lite trains."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

import trainlet as tl
from litert.reference import data
from trainlet.frontends.tflite import import_tflite
from trainlet.passes.training_head import without_softmax

LSTM = "models/tflm/mnist_lstm_float.tflite"


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
