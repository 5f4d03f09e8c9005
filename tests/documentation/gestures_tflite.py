"""Writes docs/tutorials/gestures.tflite: the tutorials' network as an int8 file.

    PYTHONPATH=src:tests:docs/tutorials python -m documentation.gestures_tflite

It is quantised as TensorFlow Lite's converter does: a scale for each output channel of a weight,
one scale and zero point for each feature map, biases in int32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from gestures import gestures, network, pretrain  # docs/tutorials
from torch import nn

from litert.writer import Operator, Tensor, write

FILE = Path(__file__).parents[2] / "docs" / "tutorials" / "gestures.tflite"
VALID, NONE, RELU = 1, 0, 1  # of the schema
CONV = {
    "Padding": VALID, "StrideH": 1, "StrideW": 2, "DilationHFactor": 1, "DilationWFactor": 1,
    "FusedActivationFunction": RELU,
}  # fmt: skip


def feature_map(shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """An int8 tensor whose integers -128..127 stand for low..high, zero among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return Tensor(shape, "INT8", [scale], [round(-128 - low / scale)])


def constants(weight: np.ndarray, bias: np.ndarray, x: Tensor) -> tuple[Tensor, Tensor]:
    """A weight [outputs, ..] and its bias as integers, where x is what the layer reads."""
    scale = np.abs(weight.reshape(len(weight), -1)).max(1) / 127
    w = np.round(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
    b = np.round(bias / (scale * x.scale[0])).astype(np.int32)
    zeros = [0] * len(scale)
    return (
        Tensor(weight.shape, "INT8", scale.tolist(), zeros, data=w),
        Tensor(bias.shape, "INT32", (scale * x.scale[0]).tolist(), zeros, data=b),
    )


def folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """Weight [outputs, 1, 5, inputs] and bias of a convolution and its batch norm."""
    assert norm.running_var is not None and norm.running_mean is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = (conv.weight * gain[:, None, None]).permute(0, 2, 1)[:, None]
    return weight.detach().numpy(), (norm.bias - norm.running_mean * gain).detach().numpy()


def content(model: nn.Sequential, shown: torch.Tensor) -> bytes:
    """The file of the network; `shown` are inputs [N, 3, 64] whose ranges the maps get."""
    tensors = [feature_map((1, 1, 64, 3), float(shown.min()), float(shown.max()))]
    pads = Tensor((4, 2), "INT32", data=np.array([[0, 0], [0, 0], [2, 2], [0, 0]], np.int32))
    operators, last = [], 0
    for k in (0, 3, 6):
        conv, norm = model[k], model[k + 1]
        assert isinstance(conv, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d)
        x, real = tensors[last], model[: k + 3](shown)
        padded = Tensor((1, 1, x.shape[2] + 4, x.shape[3]), "INT8", x.scale, x.zero_point)
        weight, bias = constants(*folded(conv, norm), x)
        y = feature_map((1, 1, real.shape[2], real.shape[1]), 0, float(real.max()))
        first = len(tensors)
        tensors += [pads, padded, weight, bias, y]
        operators.append(Operator("PAD", [last, first], first + 1, "PadOptions"))
        inputs, last = [first + 1, first + 2, first + 3], first + 4
        operators.append(Operator("CONV_2D", inputs, last, "Conv2DOptions", CONV, 3))
    x, linear = tensors[last], model[11]
    assert isinstance(linear, nn.Linear)
    real, logits = model[:11](shown), model(shown)
    pooled = feature_map((1, x.shape[3]), 0, float(real.max()))
    weight, bias = constants(linear.weight.detach().numpy(), linear.bias.detach().numpy(), pooled)
    first, axes = len(tensors), Tensor((2,), "INT32", data=np.array([1, 2], np.int32))
    z = feature_map((1, 5), float(logits.min()), float(logits.max()))
    tensors += [axes, pooled, weight, bias, z]
    mean = Operator("MEAN", [last, first], first + 1, "ReducerOptions", {"KeepDims": False})
    inputs = [first + 1, first + 2, first + 3]
    dense = {"FusedActivationFunction": NONE}
    head = Operator("FULLY_CONNECTED", inputs, first + 4, "FullyConnectedOptions", dense, 5)
    return write(tensors, [*operators, mean, head])


if __name__ == "__main__":
    torch.manual_seed(0)
    trained = pretrain(network())
    assert isinstance(trained, nn.Sequential)
    with torch.no_grad():
        FILE.write_bytes(content(trained, torch.from_numpy(gestures(100, 8)[0])))
