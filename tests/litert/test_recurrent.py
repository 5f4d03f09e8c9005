"""Recurrent networks of TensorFlow Lite train, in float32 and in integers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

import trainlet as tl
from litert.reference import data, draw, oracle
from recurrent.straight_through import Rounded, gradients
from trainlet.frontends.tflite import import_tflite
from trainlet.ir.graph import Graph
from trainlet.passes.training_head import training_head, without_softmax

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


WEIGHTS = [f"lstm_0.weight_{kind}_{gate}" for kind in ("ih", "hh") for gate in "ifgo"]
BIASES = [f"lstm_0.bias_ih_{gate}" for gate in "ifgo"]
HEAD = ["linear_0.weight", "linear_0.bias"]
TRAINED = {"last": HEAD, "bias": BIASES + HEAD, "full": WEIGHTS + BIASES + HEAD}


def digit() -> tuple[np.ndarray, np.ndarray]:
    """Dark but for some strokes, as a digit is."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random((1, 28, 28)) < 0.2, rng.integers(0, 128, (1, 28, 28)), -128)
    return x.astype(np.int8), np.array([3], np.int32)


@pytest.mark.parametrize("scheme", TRAINED)
def test_an_integer_lstm_trains_with_the_same_bits_everywhere(scheme):
    x, y = digit()
    program = tl.compile(data(INTEGERS), None, scheme, precision="int8", optimizer=tl.SGD(lr=0.001))
    assert {n.name for n in program.params} == set(TRAINED[scheme])
    simulation = tl.simulate(program, 1)
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        logits = host.predict(x)
        losses = [[d.step(x, y) for d in (host, device)] for _ in range(3)]
        losses = [[*two, *simulation.step(x[None], y[None], 0.001)] for two in losses]
        assert host.save() == device.save() == simulation.save(0)
    assert all(len(set(map(np.float32, step))) == 1 for step in losses)
    assert losses[-1][0] < losses[0][0]
    loss, expected, _ = tl.evaluate(program, x, y)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    assert losses[0][0] == pytest.approx(loss, abs=1e-4)


def test_a_trained_integer_lstm_predicts_the_bits_of_the_frozen_one():
    """The input's zero point is no longer a part of a constant bias."""
    x, _ = digit()
    logits = []
    for scheme in ("last", "full"):
        program = tl.compile(data(INTEGERS), None, scheme, target="host", precision="int8")
        with program.build("host") as trainer:
            logits.append(trainer.predict(x))
    np.testing.assert_array_equal(*logits)


def test_gradients_are_straight_through_the_integers():
    """As autograd's of the real LSTM whose output alone is rounded."""
    (x, y), graph = digit(), training_head(import_tflite(data(INTEGERS)), True)
    found = gradients(graph, x, y)
    real = {}
    for n in graph.leaves("param"):
        array, quant = graph.values[n.name].astype(np.float64), n.type.quant
        if quant is not None:
            array = array * np.reshape(quant.scale, [-1] + [1] * (array.ndim - 1))
        real[n.name] = torch.from_numpy(array).requires_grad_()
    (source,) = graph.leaves("input")
    (scale,), (zero,) = source.type.quant.scale, source.type.quant.zero_point
    loop = next(n for n in graph.nodes() if n.op == "repeat")
    (rounding,) = (
        attrs["scale"] for op, _, attrs in loop.attrs["body"].steps if op.endswith("_i8")
    )
    given = torch.from_numpy((x.astype(np.float64) - zero) * scale)
    h = c = torch.zeros(1, 20, dtype=torch.float64)
    outputs = []
    for t in range(28):
        i, f, g, o = (
            F.linear(given[:, t], real[f"lstm_0.weight_ih_{k}"], real[f"lstm_0.bias_ih_{k}"])
            + F.linear(h, real[f"lstm_0.weight_hh_{k}"])
            for k in "ifgo"
        )
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = Rounded.apply(o.sigmoid() * c.tanh(), rounding)
        outputs.append(h)
    flat = torch.stack(outputs, 1).flatten(1)
    logits = F.linear(flat, real["linear_0.weight"], real["linear_0.bias"])
    F.cross_entropy(logits, torch.from_numpy(y).long()).backward()
    assert found.keys() == real.keys()
    for name, p in real.items():
        largest = p.grad.abs().max().item()
        np.testing.assert_allclose(
            found[name], p.grad.numpy(), rtol=0, atol=0.03 * largest, err_msg=name
        )
