"""Every integer operator alone, in files written here, with random shapes, scales and values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs pip install trainlet[tflite]")

from litert.reference import LiteRT, draw, kernels, oracle
from litert.writer import Operator, Tensor, write

Rng = np.random.Generator
Written = tuple[list[Tensor], list[Operator], tuple[int, ...]]
SEEDS = range(12)
RELU6 = 3


def activation(rng: Rng, *shape: int, scale: float | None = None) -> Tensor:
    scale = float(np.exp(rng.uniform(-6, 0))) if scale is None else scale
    return Tensor(shape, "INT8", [scale], [int(rng.integers(-128, 128))])


def weight(rng: Rng, *shape: int, axis: int, channels: bool) -> Tensor:
    scales = np.exp(rng.uniform(-7, -3, shape[axis] if channels else 1))
    data = rng.integers(-127, 128, shape).astype(np.int8)
    return Tensor(shape, "INT8", scales.tolist(), [0] * len(scales), axis, data)


def bias(rng: Rng, x: Tensor, w: Tensor, outputs: int) -> Tensor:
    scales = (np.float32(x.scale[0]) * np.asarray(w.scale, np.float32)).tolist()
    data = rng.integers(-3000, 3001, outputs).astype(np.int32)
    return Tensor((outputs,), "INT32", scales, [0] * len(scales), 0, data)


def size(n: int, k: int, s: int, d: int, same: bool) -> int:
    return -(-n // s) if same else (n - (k - 1) * d - 1) // s + 1


def result(rng: Rng, x: Tensor, w: Tensor, terms: int, *shape: int) -> Tensor:
    """A result whose range the sums of so many random terms fill."""
    spread = float(np.float32(x.scale[0])) * float(np.mean(w.scale)) * 74 * 74 * terms**0.5
    return activation(rng, *shape, scale=spread / rng.uniform(20, 120))


def conv(rng: Rng, depthwise: bool = False) -> Written:
    h, w, c = (int(k) for k in rng.integers(5, 9, 3))
    kh, kw, sh, sw = (int(k) for k in rng.integers(1, 4, 4))
    dh, dw = (1, 1) if (sh, sw) != (1, 1) else (int(k) for k in rng.integers(1, 3, 2))
    same = bool(rng.integers(2)) or h <= (kh - 1) * dh or w <= (kw - 1) * dw
    many = int(rng.integers(1, 3)) if depthwise else 1
    o = c * many if depthwise else int(rng.integers(1, 9))
    x = activation(rng, 1, h, w, c)
    shape, axis = ((1, kh, kw, o), 3) if depthwise else ((o, kh, kw, c), 0)
    f = weight(rng, *shape, axis=axis, channels=bool(rng.integers(2)))
    out = size(h, kh, sh, dh, same), size(w, kw, sw, dw, same)
    y = result(rng, x, f, kh * kw * (1 if depthwise else c), 1, *out, o)
    fields = {
        "Padding": 0 if same else 1,
        "StrideH": sh,
        "StrideW": sw,
        "DilationHFactor": dh,
        "DilationWFactor": dw,
        "FusedActivationFunction": int(rng.choice([0, 1, 2, 3])),
    }
    name = "CONV_2D"
    options = "Conv2DOptions"
    if depthwise:
        name, options, fields["DepthMultiplier"] = (
            "DEPTHWISE_CONV_2D",
            "DepthwiseConv2DOptions",
            many,
        )
    operator = Operator(name, [0, 1, 2], 3, options, fields)
    return [x, f, bias(rng, x, f, o), y], [operator], (0,)  # fmt: skip


def linear(rng: Rng) -> Written:
    rows, i, o = (int(k) for k in rng.integers(1, 40, 3))
    x, f = activation(rng, rows, i), weight(rng, o, i, axis=0, channels=bool(rng.integers(2)))
    y = result(rng, x, f, i, rows, o)
    fields = {"FusedActivationFunction": int(rng.choice([0, 1, 3]))}
    if rng.integers(2):
        operator = Operator("FULLY_CONNECTED", [0, 1, 2], -1, "FullyConnectedOptions", fields)
        return [x, f, bias(rng, x, f, o), y], [operator], (0,)
    operator = Operator("FULLY_CONNECTED", [0, 1, -1], -1, "FullyConnectedOptions", fields)
    return [x, f, y], [operator], (0,)


def binary(rng: Rng, name: str, options: str) -> Written:
    full = tuple(int(k) for k in rng.integers(1, 7, 4))
    other = full if rng.integers(2) else (1, 1, 1, full[3])
    a, b = activation(rng, *full), activation(rng, *other)
    spread = (a.scale[0] * b.scale[0] * 100) if name == "MUL" else a.scale[0] + b.scale[0]
    y = activation(rng, *full, scale=float(spread * rng.uniform(0.5, 1)))
    fields = {"FusedActivationFunction": int(rng.choice([0, 1, 3]))}
    return [a, b, y], [Operator(name, [0, 1], 2, options, fields)], (0, 1)


def pool(rng: Rng, name: str) -> Written:
    h, w, c = (int(k) for k in rng.integers(4, 9, 3))
    kh, kw, sh, sw = (int(k) for k in rng.integers(1, 5, 4))
    same = bool(rng.integers(2))
    x = activation(rng, 1, h, w, c)
    y = Tensor(
        (1, size(h, kh, sh, 1, same), size(w, kw, sw, 1, same), c), "INT8", x.scale, x.zero_point
    )
    fields = {
        "Padding": 0 if same else 1,
        "StrideH": sh,
        "StrideW": sw,
        "FilterHeight": kh,
        "FilterWidth": kw,
        "FusedActivationFunction": int(rng.choice([0, 1, 3])),
    }
    return [x, y], [Operator(name, [0], 1, "Pool2DOptions", fields)], (0,)  # fmt: skip


def mean(rng: Rng) -> Written:
    shape = tuple(int(k) for k in rng.integers(1, 9, 4))
    axes = [(1, 2), (2, 1), (-1,), (1,), (2, 3), (1, 2, 3)][int(rng.integers(6))]
    keep = bool(rng.integers(2))
    averaged = {k % 4 for k in axes}
    out = [1 if k in averaged else n for k, n in enumerate(shape) if keep or k not in averaged]
    x = activation(rng, *shape)
    scale = x.scale[0] * (1 if rng.integers(2) else float(rng.uniform(0.1, 2)))
    y = activation(rng, *out, scale=scale)
    constant = Tensor((len(axes),), "INT32", data=np.array(axes, np.int32))
    fields = {"KeepDims": keep}
    return [x, constant, y], [Operator("MEAN", [0, 1], 2, "ReducerOptions", fields)], (0,)


def softmax(rng: Rng) -> Written:
    x = activation(rng, int(rng.integers(1, 40)), int(rng.integers(1, 60)))
    y = Tensor(x.shape, "INT8", [1 / 256], [-128])
    fields = {"Beta": float(rng.choice([1.0, 0.5, 2.0]))}
    return [x, y], [Operator("SOFTMAX", [0], 1, "SoftmaxOptions", fields)], (0,)


def pad(rng: Rng) -> Written:
    x = activation(rng, *(int(k) for k in rng.integers(1, 6, 4)))
    by = rng.integers(0, 4, (4, 2)).astype(np.int32)
    shape = tuple(n + int(b.sum()) for n, b in zip(x.shape, by, strict=True))
    y = Tensor(shape, "INT8", x.scale, x.zero_point)
    constant = Tensor((4, 2), "INT32", data=by)
    return [x, constant, y], [Operator("PAD", [0, 1], 2, "PadOptions")], (0,)


def concat(rng: Rng) -> Written:
    axis = int(rng.integers(-3, 4))
    shape = [int(k) for k in rng.integers(1, 6, 4)]
    first = activation(rng, *shape)
    parts = [first]
    for _ in range(2):
        shape[axis] = int(rng.integers(1, 6))
        parts.append(Tensor(tuple(shape), "INT8", first.scale, first.zero_point))
    shape[axis] = sum(t.shape[axis] for t in parts)
    y = Tensor(tuple(shape), "INT8", first.scale, first.zero_point)
    operator = Operator("CONCATENATION", [0, 1, 2], 3, "ConcatenationOptions", {"Axis": axis})
    return [*parts, y], [operator], (0, 1, 2)


def transpose(rng: Rng) -> Written:
    x, order = activation(rng, 2, 3, 4, 5), rng.permutation(4).astype(np.int32)
    y = Tensor(tuple(x.shape[k] for k in order), "INT8", x.scale, x.zero_point)
    constant = Tensor((4,), "INT32", data=order)
    return [x, constant, y], [Operator("TRANSPOSE", [0, 1], 2, "TransposeOptions")], (0,)


def requantize(rng: Rng, name: str = "QUANTIZE") -> Written:
    x = activation(rng, 256)
    y = activation(rng, 256, scale=x.scale[0] * float(np.exp(rng.uniform(-2, 2))))
    return [x, y], [Operator(name, [0], 1)], (0,)


def leaky_relu(rng: Rng) -> Written:
    (x, y), _, inputs = requantize(rng)
    fields = {"Alpha": float(rng.choice([0.01, 0.1, 0.3, 1.0]))}
    return [x, y], [Operator("LEAKY_RELU", [0], 1, "LeakyReluOptions", fields)], inputs


def quantize(rng: Rng) -> Written:
    x = Tensor((300,), "FLOAT32")
    return [x, activation(rng, 300, scale=0.01)], [Operator("QUANTIZE", [0], 1)], (0,)


def dequantize(rng: Rng) -> Written:
    return [activation(rng, 300), Tensor((300,), "FLOAT32")], [Operator("DEQUANTIZE", [0], 1)], (0,)


FAMILIES: dict[str, Callable[[Rng], Written]] = {
    "conv2d": conv,
    "depthwise": lambda rng: conv(rng, depthwise=True),
    "linear": linear,
    "add": lambda rng: binary(rng, "ADD", "AddOptions"),
    "mul": lambda rng: binary(rng, "MUL", "MulOptions"),
    "avg_pool": lambda rng: pool(rng, "AVERAGE_POOL_2D"),
    "max_pool": lambda rng: pool(rng, "MAX_POOL_2D"),
    "mean": mean,
    "softmax": softmax,
    "pad": pad,
    "concat": concat,
    "transpose": transpose,
    "requantize": requantize,
    "relu": lambda rng: requantize(rng, "RELU"),
    "leaky_relu": leaky_relu,
    "relu6": lambda rng: requantize(rng, "RELU6"),
    "quantize": quantize,
    "dequantize": dequantize,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_litert(family, library, opened):
    for seed in SEEDS:
        rng = np.random.default_rng([seed, len(family)])
        tensors, operators, inputs = FAMILIES[family](rng)
        content = write(tensors, operators, inputs)
        graph, litert = opened(content), LiteRT(content)
        for _ in range(4):
            arrays = [draw(rng, n) for n in graph.leaves("input")]
            expected = litert(*arrays)
            np.testing.assert_array_equal(oracle(graph, *arrays), expected, f"seed {seed}")
        np.testing.assert_array_equal(kernels(library, graph, *arrays), expected, f"seed {seed}")
