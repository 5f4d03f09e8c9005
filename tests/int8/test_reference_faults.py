"""Five faults of the engine that was released with Lin et al., 2022, none of which may come back.

Each has a check that does not use the code in question, and a version of that code with the
fault: the check passes, and fails once the fault is planted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch

import trainlet as tl
from int8.real import torch_gradients
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph, Node
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS
from trainlet.ops.quantized.fixed_point import requantization
from trainlet.ops.quantized.gradient.format import GradientFormat
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import input_arrays
from zoo import NETWORKS

Plant = Callable[[pytest.MonkeyPatch], None]


def exchange(patch: pytest.MonkeyPatch, name: str, meaning: Callable[..., np.ndarray]) -> None:
    patch.setitem(OPS, name, replace(OPS[name], eval=meaning))


def convolution_rounds() -> None:
    """Every result is the nearest integer to the real value; truncation is half a unit short."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-128, 128, (1, 6, 6, 8), np.int8), rng.integers(-127, 128, (5, 1, 1, 8))
    bias, scales = rng.integers(-500, 500, 5).astype(np.int32), rng.uniform(0.01, 0.02, 5)
    geometry = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
    quant = {"source": (0.05, -3), "scale": 1.5, "zero_point": 4, "low": -128, "high": 127}
    q = requantization(0.05, scales, 1.5)
    y = OPS["conv2d_i8"].eval(x, w.astype(np.int8), bias, q, **geometry, **quant)
    sums = (x.astype(float) + 3) @ w.reshape(5, 8).T + bias
    real = sums * 0.05 * scales.astype(np.float32) / 1.5 + 4
    inside = np.abs(y) < 127
    assert np.abs(y - real)[inside].max() < 0.501
    assert abs(np.abs(y - 4)[inside].mean() - np.abs(real - 4)[inside].mean()) < 0.05


def truncating(patch: pytest.MonkeyPatch) -> None:
    def conv(x, w, b, q, *, source, scale, zero_point, low, high, **geometry):
        sums = (x.astype(np.int64) - source[1]) @ w.reshape(len(w), -1).T.astype(np.int64) + b
        real = sums * (q[0] * np.exp2(q[1] - 31.0))
        return np.clip(np.trunc(real) + zero_point, low, high).astype(np.int8)

    exchange(patch, "conv2d_i8", conv)


@cache
def residual_network() -> tuple[Graph, np.ndarray, np.ndarray]:
    case, rng = NETWORKS["resnet8"](1), np.random.default_rng(0)
    shape = (8, *case.x.shape[1:])
    batches = [rng.standard_normal(shape, np.float32) for _ in range(4)]
    graph = quantize_module(case.model, case.x, batches)
    return graph, case.x.numpy(), case.y.numpy().astype(np.int32)


@cache
def expected_gradients() -> dict[str, np.ndarray]:
    graph, x, y = residual_network()
    return torch_gradients(graph, {n.name: 1.0 for n in graph.leaves("param")}, x, y, True)[1]


def gradients_are_those_of_autograd() -> None:
    """Of the first layer, below three residual additions, of the last, and of those between."""
    graph, x, y = residual_network()
    expected = expected_gradients()
    for gradient in ("float32", "int16"):
        precision = tl.Int8(gradient=gradient)
        step = tl.train(
            graph, dict.fromkeys(expected, 1.0), precision=precision, stop_after="prune"
        ).step
        leaves = {n.name: to_device(n, step.values[n.name]) for n in step.leaves("param", "const")}
        (image,) = (n for n in step.leaves("input") if n.name != "target")
        leaves |= input_arrays([image], {image.name: x}) | {"target": y}
        found = evaluate_graph(step, leaves)
        for name, wanted in expected.items():
            a, b = wanted.ravel(), found[f"grad.{name}"].ravel()
            correlation = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
            assert correlation > 0.99, f"{gradient} {name}: {correlation:.3f}"


def overwriting(patch: pytest.MonkeyPatch) -> None:
    """The later gradient of a tensor that is read twice replaces the earlier."""

    def plus(self: GradientFormat, tensor: Node, a: Node, b: Node) -> Node:
        return b

    patch.setattr(GradientFormat, "plus", plus)


def keeping_the_zero_point(patch: pytest.MonkeyPatch) -> None:
    """The gradient of a weight is made of the raw bytes of the input."""
    for name in ("conv2d_i8_dw", "conv2d_bfp_dw"):
        right = OPS[name].eval

        def wrong(*given, right=right, **attrs):
            return right(*given, **{**attrs, "zero": 0})

        exchange(patch, name, wrong)


def updates_are_right_on_average_and_saturate() -> None:
    """Steps of 0.3 of a unit, forty times; and a step across the end of the range."""
    rng = np.random.default_rng(0)
    start = rng.integers(-90, 90, (8, 400)).astype(np.int8)
    inverse, lr = np.full(8, 100, np.float32), np.float32(0.1)
    attrs = {"axis": 0, "seed": 1, "tensor": 2, "rounding": "stochastic"}
    p, g = start.copy(), np.full(start.shape, 0.03, np.float32)
    for step in range(40):
        p = OPS["sgd_i8"].eval(p, g, inverse, lr, np.int32(step), **attrs)
    assert (p.astype(float) - start).mean() == pytest.approx(-12, abs=0.2)
    end = np.array([[127, -127]] * 8, np.int8)
    far = np.array([[-0.3, 0.3]] * 8, np.float32)
    moved = OPS["sgd_i8"].eval(end, far, inverse, lr, np.int32(0), **attrs)
    np.testing.assert_array_equal(moved, end)


def wrapping(patch: pytest.MonkeyPatch) -> None:
    def sgd(p, g, inverse, lr, step, **attrs):
        moved = p - g * inverse[:, None] * lr
        return np.trunc(moved).astype(np.int64).astype(np.int8)

    exchange(patch, "sgd_i8", sgd)


def truncating_update(patch: pytest.MonkeyPatch) -> None:
    def sgd(p, g, inverse, lr, step, **attrs):
        return np.clip(np.trunc(p - g * inverse[:, None] * lr), -127, 127).astype(np.int8)

    exchange(patch, "sgd_i8", sgd)


def loss_is_of_real_logits() -> None:
    """With a head of bytes, too: PyTorch's cross-entropy of the network in real numbers."""
    case, rng = NETWORKS["lenet5"](1), np.random.default_rng(0)
    batches = [rng.standard_normal((8, *case.x.shape[1:]), np.float32) for _ in range(4)]
    precision = tl.Int8(float_head=False, gradient="int16")
    program = tl.compile(case.model, case.x, tl.schemes.bias(case.model), precision=precision,
                         calibration=batches)  # fmt: skip
    trainer = tl.Trainer(program, OracleDevice(program))
    with torch.no_grad():
        logits = case.model(case.x)
        expected = torch.nn.functional.cross_entropy(logits, case.y).item()
    assert trainer.step(case.x.numpy(), case.y.numpy()) == pytest.approx(expected, rel=0.1)


def raw_logits(patch: pytest.MonkeyPatch) -> None:
    exchange(patch, "dequantize", lambda x, scale, zero_point: x.astype(np.float32))


@dataclass(frozen=True)
class Fault:
    check: Callable[[], None]
    plant: Plant


FAULTS = {
    "requantisation truncates": Fault(convolution_rounds, truncating),
    "a residual gradient is overwritten": Fault(gradients_are_those_of_autograd, overwriting),
    "the zero point stays": Fault(gradients_are_those_of_autograd, keeping_the_zero_point),
    "the update wraps": Fault(updates_are_right_on_average_and_saturate, wrapping),
    "the update truncates": Fault(updates_are_right_on_average_and_saturate, truncating_update),
    "the loss is of raw logits": Fault(loss_is_of_real_logits, raw_logits),
}
EACH = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@EACH
def test_is_not_there(fault):
    fault.check()


@EACH
def test_would_be_found(fault, monkeypatch):
    expected_gradients()
    fault.plant(monkeypatch)
    with pytest.raises((AssertionError, tl.errors.UnsupportedError)):  # or the importer finds it
        fault.check()
