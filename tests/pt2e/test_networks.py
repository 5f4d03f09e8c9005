"""Networks of the zoo become integers: near the float network, and torchao's to the bit or two."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.schemes import last
from zoo import NETWORKS

from .support import (
    correlation,
    decibels,
    deviations,
    float_operators,
    lowered,
    operators,
    quantized,
    run,
)

CONVOLUTIONAL = ["mlp", "ds_cnn", "resnet8", "mobilenet_v1", "mobilenet_v2", "mcunet_like"]
ISLANDS = {
    "lenet5": {"tanh", "avg_pool"},
    "se_hardswish": {"hard_swish", "hard_sigmoid", "mul", "sum_to"},
    "audio_conv1d": {"normalize", "mul", "add", "relu", "silu", "sum_to"},
    "cct2": {"normalize", "mul", "add", "gelu", "softmax", "matmul", "scale"},
}
# The two logits of this one are small differences of large features, all through ReLU6.
LEAST_CORRELATION = {"mobilenet_v1": 0.95}
EVERY = pytest.mark.parametrize("name", [*CONVOLUTIONAL, *ISLANDS])


@EVERY
def test_near_the_float_network(name):
    q = quantized(name)
    assert correlation(q.float_logits, q.logits) > LEAST_CORRELATION.get(name, 0.99)


@EVERY
def test_as_good_as_torchs_reference(name):
    """Differences of one step grow in a deep network, for better or worse: hence the decibel."""
    q = quantized(name)
    theirs = decibels(q.float_logits, q.torch_logits)
    assert decibels(q.float_logits, q.logits) > theirs - 1.5


@EVERY
def test_every_tensor_is_torchs(name):
    """Given torch's integers, a node gives torch's integers, or their neighbours here and there.

    A mean, which TensorFlow Lite rounds twice, more often than others.
    """
    q = quantized(name)
    found = deviations(q.converted, q.x)
    assert found and max(d.largest for d in found) <= 1
    shares = sorted(d.share for d in found)
    assert shares[len(shares) // 2] < 0.003
    large = [d for d in found if d.share > 0.01]
    assert all(d.node.type.size <= 1 << 15 for d in large) and len(large) <= 2


@EVERY
def test_nothing_is_float_but_the_head_and_the_islands(name):
    graph = lowered(quantized(name).graph)
    assert float_operators(graph) == {"linear"} | ISLANDS.get(name, set())
    linear = [n for n in graph.nodes() if n.op == "linear"]
    assert linear == [graph.outputs["logits"]]
    crossings = operators(graph).count("quantize"), operators(graph).count("dequantize")
    assert name in ISLANDS or crossings == (1, 1)


@EVERY
def test_weights_and_biases(name):
    q = quantized(name)
    layers = [n for n in q.graph.nodes() if n.op in ("conv2d_i8", "depthwise_i8", "linear_i8")]
    assert layers
    known = dict(q.model.named_parameters())
    for n in layers:
        weight, bias = q.graph.values[n.inputs[1].name], q.graph.values[n.inputs[2].name]
        assert (weight.dtype, bias.dtype) == (np.int8, np.int32)
        assert weight.shape == known[n.inputs[1].name].shape
        assert weight.min() >= -127 and np.abs(weight).max() == 127
        assert (n.inputs[2].op == "const") == (n.inputs[2].name not in known)
        quant = n.inputs[1].type.quant
        assert quant is not None and len(quant.scale) == len(bias) == len(weight)


@EVERY
def test_layout_changes_nothing(name):
    """Of integers; the sums of the islands run in another order."""
    q = quantized(name)
    found = run(lowered(q.graph), q.x)
    assert np.array_equal(found, q.logits) or (name in ISLANDS and decibels(q.logits, found) > 40)


@EVERY
def test_learns(name):
    """The scheme of the last layer compiles up to the updates."""
    q = quantized(name)
    step = tl.train(
        q.graph, last(q.model), precision=tl.Int8(gradient="float32", extra_bits=0)
    ).step
    assert {k.removeprefix("new.") for k in step.outputs if k.startswith("new.")} == set(
        last(q.model)
    )


def test_maps_need_no_permutation():
    """But the input's, as bytes."""
    for name in ("ds_cnn", "resnet8", "mobilenet_v2", "audio_conv1d"):
        found = operators(lowered(quantized(name).graph))
        assert "permute" not in found and found.count("permute_i8") <= 1


def test_every_network_was_tried():
    """Here, or, where a layer is in float32 as a whole, in tests/recurrent/test_int8.py."""
    assert {*CONVOLUTIONAL, *ISLANDS, "recurrent"} == set(NETWORKS)
