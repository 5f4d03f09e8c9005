"""The layer that every importer of quantised networks assembles, and a backbone's file of them."""

import json

import numpy as np
import pytest

import trainlet as tl
from trainlet.errors import FileError
from trainlet.frontends.quantized_layer import Result, quantized_layer
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, leaf
from trainlet.ops.quantized.types import int8

WINDOW = {"stride": (2, 1), "padding": (1, 0, 1, 1), "dilation": (1, 1)}
LAYERS = {
    "conv2d": ((4, 3, 2, 3), {**WINDOW, "groups": 2}),
    "depthwise": ((3, 2, 6), WINDOW),
    "linear": ((5, 6), {}),
}


@pytest.mark.parametrize("op", LAYERS)
def test_it_computes_the_layer_of_the_real_values(op):
    """Up to the rounding of the result to its step, of a half and a little."""
    rng, result = np.random.default_rng(0), Result(0.25, 5)
    shape, window = LAYERS[op]
    axis = OPS[op].channel_axis
    scales = rng.uniform(0.001, 0.003, shape[axis]).astype(np.float32)
    x = leaf("input", "x", int8(1, 5, 4, 6, scale=0.1, zero_point=-7))
    values = {x: rng.integers(-128, 128, x.type.shape).astype(np.int8)}

    def made(name, value):
        def make(kind):
            node = leaf("param", name, kind)
            assert kind.shape == value.shape
            values[node] = value.astype(kind.dtype)
            return node

        return make

    def constant(value):
        node = leaf("const", "requantization", TensorType(value.shape, "int32"))
        values[node] = value
        return node

    whole = rng.integers(-127, 128, shape)
    offset = rng.integers(-5000, 5000, len(scales))
    node = quantized_layer(
        op, x, shape, scales, result, weight=made("w", whole), bias=made("b", offset),
        requantization=constant, label="layer", **window,
    )  # fmt: skip
    assert node.name == "layer"
    units = node.inputs[2].type.quant.scale
    np.testing.assert_allclose(units, scales * np.float32(0.1), rtol=1e-6)
    found = OPS[node.op].eval(*(values[i] for i in node.inputs), **node.attrs)

    along = [-1 if k == axis else 1 for k in range(len(shape))]
    real_x = (values[x].astype(float) + 7) * 0.1
    real = OPS[op].eval(real_x, whole * scales.reshape(along), offset * scales * 0.1, **window)
    expected = np.clip(real / 0.25 + 5, -128, 127)
    assert np.abs(expected).max() == 128 or np.ptp(expected) > 50
    np.testing.assert_allclose(found, expected, atol=0.51)


def backbone(path, bias):
    """A backbone of one convolution, 3 to 4 channels on 4x4 maps."""
    arrays = {
        "w": np.ones((4, 3, 1, 1), np.int8),
        "s": np.full(4, 0.01, np.float32),
        "b": np.zeros(bias, np.int32),
    }
    params = {"x_scale": 0.5, "x_zero": 0, "y_scale": 0.5, "y_zero": 0}
    named = {"weight": "w", "w_scales": "s", "bias": "b"}
    first = {
        "in_shape": 4, "in_channel": 3, "depthwise": False, "groups": 1, "stride": 1,
        "kernel_size": [1, 1], "params": params | {k: {"array": v} for k, v in named.items()},
    }  # fmt: skip
    config = json.dumps({"first_conv": first, "blocks": []}).encode()
    np.savez(path, config_json=np.frombuffer(config, np.uint8), **arrays)
    return path


def test_a_backbone_whose_bias_does_not_fit(tmp_path):
    tl.load(backbone(tmp_path / "whole.npz", 4), classes=2)
    with pytest.raises(FileError, match=r"first_conv\.bias is \[3\], not int32\[4\]"):
        tl.load(backbone(tmp_path / "short.npz", 3), classes=2)
