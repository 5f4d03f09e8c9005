"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and FULLY_CONNECTED, int8 and float."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.quantized_layer import quantized_layer
from trainlet.frontends.tflite.builder import MAX_CHANNELS, Builder
from trainlet.frontends.tflite.file import Operator, Tensor
from trainlet.frontends.tflite.windows import geometry, transposed_geometry
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import require


def conv2d(at: Builder, operator: Operator) -> Node:
    """w [O,KH,KW,C]."""
    options = operator.options("Conv2DOptions")
    x, w = at.input(0), at.required(1, "weight")
    at.named("conv2d")
    require(x.type.rank == len(w.shape) == 4, f"input {x.type} and weight {w.shape}")
    channels = x.type.shape[3]
    require(channels % w.shape[3] == 0, f"{channels} channels do not fit weight {w.shape}")
    attrs = geometry(x, w.shape[1:3], options) | {"groups": channels // w.shape[3]}
    return _layer(at, "conv2d", x, w, 0, options.FusedActivationFunction(), attrs)


def depthwise(at: Builder, operator: Operator) -> Node:
    """w [1,KH,KW,C*M]; M results a channel make it a grouped convolution."""
    options = operator.options("DepthwiseConv2DOptions")
    x, w = at.input(0), at.required(1, "weight")
    at.named("depthwise")
    require(x.type.rank == len(w.shape) == 4, f"input {x.type} and weight {w.shape}")
    channels, outputs = x.type.shape[3], w.shape[3]
    require(
        w.shape[0] == 1 and outputs % channels == 0,
        f"{channels} channels do not fit depthwise weight {w.shape}",
    )
    attrs = geometry(x, w.shape[1:3], options)
    if outputs == channels:
        return _layer(at, "depthwise", x, w, 3, options.FusedActivationFunction(), attrs)
    attrs["groups"] = channels
    return _layer(at, "conv2d", x, w, 3, options.FusedActivationFunction(), attrs)


def linear(at: Builder, operator: Operator) -> Node:
    """w [O,I]; leading dimensions of the input are rows."""
    options = operator.options("FullyConnectedOptions")
    x, w = at.input(0), at.required(1, "weight")
    at.named("linear")
    if options.WeightsFormat() != 0:
        raise UnsupportedError(f"weights format {options.WeightsFormat()}; allowed: 0, the default")
    require(
        len(w.shape) == 2 and x.type.size % w.shape[1] == 0,
        f"input {x.type} and weight {w.shape}",
    )
    rows = x.type.size // w.shape[1], w.shape[1]
    if options.KeepNumDims():
        require(x.type.shape[-1:] == w.shape[1:], f"input {x.type} and weight {w.shape}")
    elif x.type.shape != rows:
        x = at.build("reshape", x, shape=rows)
    return _layer(at, "linear", x, w, 0, options.FusedActivationFunction(), {})


def transposed(at: Builder, operator: Operator) -> Node:
    """w [O,KH,KW,C]; the file declares the size of the result."""
    options = operator.options("TransposeConvOptions")
    w, x = at.required(1, "weight"), at.input(2)
    at.named("conv_transpose")
    shape = at.output().shape
    require(x.type.rank == len(w.shape) == len(shape) == 4, f"input {x.type}, weight {w.shape}")
    size = shape[1], shape[2]
    attrs = {"size": size, "groups": 1, **transposed_geometry(size, w.shape[1:3], options)}
    activation = options.FusedActivationFunction()
    return _layer(at, "conv_transpose", x, w, 0, activation, attrs, bias_at=3)


def _layer(
    at: Builder, op: str, x: Node, w: Tensor, axis: int, activation: int, attrs: dict[str, Any],
    bias_at: int = 2,
) -> Node:  # fmt: skip
    """`axis` is the file's axis of output channels."""
    if w.data is None:
        raise UnsupportedError(f"its weight, {w.name!r}, is computed; allowed: a constant")
    if w.shape[axis] > MAX_CHANNELS:
        raise UnsupportedError(f"{w.shape[axis]} output channels; at most {MAX_CHANNELS}")
    if x.type.dtype == "float32":
        weight = _arranged(op, axis, _real(w, axis))
        inputs = [x, at.parameter(w, "weight", weight, TensorType(weight.shape))]
        bias = _bias(at, "float32", w.shape[axis], bias_at)
        if bias is not None and bias.data is not None:
            kind = TensorType(bias.data.shape)
            inputs.append(at.parameter(bias, "bias", bias.data, kind))
        return at.activated(at.build(op, *inputs, **attrs), activation)
    return _integer(at, op, x, w, axis, activation, attrs, bias_at)


def _arranged(op: str, axis: int, array: np.ndarray) -> np.ndarray:
    """The file's weight as the op wants it."""
    if axis == 0:
        return array
    return array[0] if op == "depthwise" else np.transpose(array, (3, 1, 2, 0))


def _scales(w: Tensor, axis: int) -> np.ndarray:
    """One scale for each output channel of an int8 weight."""
    outputs = w.shape[axis]
    per_tensor = w.scale.size == 1
    if w.dtype != "int8" or not (per_tensor or (w.scale.size == outputs and w.axis == axis)):
        raise UnsupportedError(
            f"weight {w.name!r} is {w.dtype} with {w.scale.size} scales along axis {w.axis}; "
            f"allowed: int8 with one scale, or {outputs} along axis {axis}"
        )
    if (w.zero_point != 0).any():
        raise UnsupportedError(f"weight {w.name!r} has a zero point; allowed: 0")
    return np.broadcast_to(w.scale, outputs)


def _real(w: Tensor, axis: int) -> np.ndarray:
    """The weight of a float operator; one that is stored in int8 is dequantised."""
    assert w.data is not None
    if w.dtype == "float32":
        return w.data
    shape = [-1 if k == axis else 1 for k in range(len(w.shape))]
    return w.data.astype(np.float32) * _scales(w, axis).reshape(shape)


def _bias(at: Builder, dtype: str, outputs: int, position: int) -> Tensor | None:
    bias = at.tensor(position)
    if bias is None:
        return None
    if bias.data is None or bias.dtype != dtype or prod(bias.shape) != outputs:
        raise FileError(
            f"its bias, {bias.name!r}, is {bias.dtype} {bias.shape}; allowed: a constant "
            f"{dtype} [{outputs}]"
        )
    return bias


def _integer(
    at: Builder, op: str, x: Node, w: Tensor, axis: int, activation: int, attrs: dict[str, Any],
    bias_at: int,
) -> Node:  # fmt: skip
    scales = _scales(w, axis)
    assert w.data is not None
    array, bias = _arranged(op, axis, w.data), _bias(at, "int32", scales.size, bias_at)

    def bias_leaf(kind: TensorType) -> Node:
        if bias is None or bias.data is None:
            return at.made("bias", np.zeros(scales.size, np.int32))
        return at.parameter(bias, "bias", bias.data, kind)

    return quantized_layer(
        op, x, array.shape, scales, at.quantised(activation),
        weight=lambda kind: at.parameter(w, "weight", array, kind),
        bias=bias_leaf,
        requantization=lambda value: at.made("requantization", value),
        label=at.label,
        **attrs,
    )  # fmt: skip


LAYERS = {
    "CONV_2D": conv2d,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": linear,
    "TRANSPOSE_CONV": transposed,
}
