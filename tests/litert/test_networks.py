"""Real integer networks: every element equal to LiteRT's; float ones within 1e-5."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

from litert.networks import FLOAT, QUANTISED, machine, pictures, with_valid_biases, words
from litert.reference import LiteRT, batched, data, draw, kernels, oracle
from trainlet.frontends.tflite import import_tflite
from trainlet.ops.verify import verify


def opened(name):
    path = data(QUANTISED[name])
    return verify(import_tflite(path)), LiteRT(with_valid_biases(path.read_bytes()))


def compare(graph, litert, inputs):
    """All inputs at once by the oracle, one by one by LiteRT."""
    expected = np.concatenate([litert(x[None]) for x in inputs])
    np.testing.assert_array_equal(oracle(batched(graph, len(inputs)), inputs), expected)


@pytest.mark.parametrize("name", QUANTISED)
def test_random_inputs(name):
    graph, litert = opened(name)
    rng = np.random.default_rng(1)
    (source,) = graph.leaves("input")
    compare(graph, litert, np.concatenate([draw(rng, source) for _ in range(12)]))


@pytest.mark.parametrize("name", QUANTISED)
def test_kernels(name, library):
    graph, litert = opened(name)
    rng = np.random.default_rng(2)
    x = draw(rng, graph.leaves("input")[0])
    np.testing.assert_array_equal(kernels(library, graph, x), litert(x))


def test_all_stimuli_of_keyword_spotting():
    graph, litert = opened("kws")
    stimuli = words()
    for part in np.array_split(stimuli, 10):
        compare(graph, litert, part)
    assert len(stimuli) > 800


def test_pictures():
    graph, litert = opened("ic")
    compare(graph, litert, pictures(100))


def test_sounds_of_a_machine():
    graph, litert = opened("ad")
    compare(graph, litert, machine(graph, 40))


@pytest.mark.parametrize("name", FLOAT)
def test_float_networks(name, library):
    path = data(FLOAT[name])
    graph, litert = verify(import_tflite(path)), LiteRT(path.read_bytes())
    x = draw(np.random.default_rng(3), graph.leaves("input")[0])
    expected = litert(x)
    np.testing.assert_allclose(oracle(graph, x), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(kernels(library, graph, x), expected, rtol=0, atol=1e-5)


def test_float_network_with_int8_weights():
    """LiteRT rounds its activations to int8 on the way; ours stay float."""
    path = data("models/mlperf_tiny/kws_dscnn_float.tflite")
    graph, litert = import_tflite(path), LiteRT(path.read_bytes())
    scale, zero = 0.5847029, 83
    for word in words(5):
        x = ((word[None].astype(np.float32)) - zero) * np.float32(scale)
        np.testing.assert_allclose(oracle(graph, x), litert(x), atol=0.05)


def test_names_and_types():
    graph = import_tflite(data(QUANTISED["kws"]))
    params = {n.name: str(n.type) for n in graph.leaves("param")}
    assert list(params)[:4] == [
        "conv2d_0.weight", "conv2d_0.bias", "depthwise_0.weight", "depthwise_0.bias",
    ]  # fmt: skip
    assert params["conv2d_0.weight"] == "int8[64,10,4,1]"
    assert params["depthwise_0.weight"] == "int8[3,3,64]"
    assert params["linear_0.bias"] == "int32[12]"
    (source,) = graph.leaves("input")
    assert str(source.type) == "int8[1,49,10,1]" and source.type.quant.zero_point == (83,)
    w = next(n for n in graph.leaves("param") if n.name == "conv2d_0.weight")
    assert w.type.quant.axis == 0 and len(w.type.quant.scale) == 64
