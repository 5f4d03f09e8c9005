"""How ranges are found, and what cannot be used to find them."""

import logging
import sys

import numpy as np
import pytest
import torch
from torch import nn

from trainlet.errors import DataError, ToolchainError, TrainletError, UnsupportedError
from trainlet.frontends.observers import MseObserver, PerChannelMseObserver
from trainlet.frontends.pt2e import quantize_module

from .modules import DeadChannels, Residual, build
from .support import decibels, draw, operators, quantized, run

LARGE = ["mobilenet_v1", "mobilenet_v2", "mcunet_like"]


@pytest.mark.parametrize(
    "names",
    [["mlp", "lenet5", "ds_cnn", "resnet8"], pytest.param(LARGE, marks=pytest.mark.long)],
    ids=["small", "large"],
)
def test_squared_error_is_not_worse(names):
    signal = {
        method: [
            decibels(q.float_logits, q.logits)
            for q in (quantized(name, method, 48) for name in names)
        ]
        for method in ("minmax", "mse")
    }
    assert np.mean(signal["mse"]) > np.mean(signal["minmax"])


def test_methods_give_other_scales():
    def scales(method):
        nodes = quantized("resnet8", method).graph.nodes()
        return [n.type.quant.scale for n in nodes if n.op == "conv2d_i8"]

    assert all(a != b for a, b in zip(scales("minmax"), scales("mse"), strict=True))


TENSOR = {"dtype": torch.int8, "quant_min": -128, "quant_max": 127}
CHANNEL = {"dtype": torch.int8, "quant_min": -127, "quant_max": 127}


def error(x, scale, zero, low):
    levels = ((x / scale).round() + zero).clamp(low, 127) - zero
    return (levels * scale - x).square().sum().item()


def test_the_histogram_finds_the_best_range():
    """Batches of growing size: the histogram widens; the outlier is clipped."""
    observer = MseObserver(qscheme=torch.per_tensor_affine, **TENSOR)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(50_000, generator=generator) * k - 1 for k in (0.01, 0.1, 1)]
    parts.append(torch.tensor([40.0]))
    for part in parts:
        assert observer(part) is part
    x = torch.cat(parts)
    assert observer.counts.sum() == len(x)
    scale, zero = observer.calculate_qparams()
    found = error(x, scale, zero, -128)
    for low in np.linspace(-6, -1, 26):
        for high in np.linspace(1, 40, 40):
            other = observer._calculate_qparams(torch.tensor(low), torch.tensor(high))
            assert found < 1.02 * error(x, *other, -128)


def test_channels_find_their_best_ranges():
    observer = PerChannelMseObserver(qscheme=torch.per_channel_symmetric, ch_axis=0, **CHANNEL)
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4, 5000, generator=generator) * torch.tensor([[0.1], [1], [10], [0]])
    observer(w)
    scale, zero = observer.calculate_qparams()
    full = w.abs().amax(1) / 127
    assert scale.shape == (4,) and not zero.any() and scale[3] > 0
    assert (scale[:3] < full[:3]).all()
    for k in range(3):
        assert error(w[k], scale[k], 0, -127) < error(w[k], full[k], 0, -127)


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [3.0, 3.0], [-2.0], [1e-30, 1e30]])
def test_strange_ranges(values):
    observer = MseObserver(qscheme=torch.per_tensor_affine, **TENSOR)
    observer(torch.tensor(values))
    scale, zero = observer.calculate_qparams()
    assert torch.isfinite(scale).all() and scale > 0 and -128 <= zero <= 127
    levels = (torch.tensor(values) / scale).round()
    assert torch.allclose(levels * scale, torch.tensor(values), rtol=0.01, atol=1e-6)


@pytest.fixture(scope="module")
def model():
    return build(Residual)


def batch(n=4):
    return draw(np.random.default_rng(2), n, 3, 8, 8)


def spoilt(value):
    x = batch()
    x[1, 2, 3, 4] = value
    return x


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "no calibration batches"),
        (np.zeros((0, 3, 8, 8), np.float32), r"batch 0 has shape \(0, 3, 8, 8\)"),
        ([batch(), spoilt(np.nan)], "batch 1 holds 1 values that are NaN"),
        ([spoilt(np.inf)], "batch 0 holds 1 values that are NaN or infinite"),
        ([batch()[0]], r"batch 0 has shape \(3, 8, 8\); allowed: \(batch, 3, 8, 8\)"),
        ([batch()[..., :7]], r"batch 0 has shape \(4, 3, 8, 7\)"),
        ([(batch(), batch())], "has 2 inputs, the model takes 1"),
        (["words"], "not an array of numbers"),
    ],
)
def test_data_that_cannot_be_used(model, batches, message):
    with pytest.raises(DataError, match=message):
        quantize_module(model, batch(1), batches)


def test_a_layer_that_shows_nothing():
    """Its ReLU stays shut."""
    model = build(DeadChannels)
    with torch.no_grad():
        model.first.bias.fill_(-1e4)
    with pytest.raises(DataError, match=r"first: .* almost zero.* batches in which it is larger"):
        quantize_module(model, batch(1), [batch()])


def test_other_arguments(model):
    with pytest.raises(TrainletError, match=r"'entropy'; allowed: minmax, mse"):
        quantize_module(model, batch(1), [batch()], "entropy")
    with pytest.raises(UnsupportedError, match=r"torch\.bool"):
        quantize_module(model, torch.zeros(1, 3, 8, 8, dtype=torch.bool), [batch()])
    with pytest.raises(UnsupportedError, match="logcumsumexp"):
        quantize_module(nn.Sequential(model, Cumulative()), batch(1), [batch()])


class Cumulative(nn.Module):
    def forward(self, x):
        return x.logcumsumexp(1)


def test_weights_that_are_not_finite(model):
    model = build(Residual)
    with torch.no_grad():
        model.head.weight[0, 0] = torch.nan
    with pytest.raises(DataError, match=r"batch 0: the network returns NaN"):
        quantize_module(model, batch(1), [batch()])


def test_without_torchao(model, monkeypatch):
    for name in [k for k in sys.modules if k.split(".")[0] == "torchao"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("torchao_flow", "quantizer", "observers"):
        monkeypatch.delitem(sys.modules, f"trainlet.frontends.{name}", raising=False)
        monkeypatch.delattr(f"trainlet.frontends.{name}", raising=False)
    with pytest.raises(ToolchainError, match=r"needs torchao .*trainlet\[int8\]"):
        quantize_module(model, batch(1), [batch()])


def test_progress_and_one_array(model):
    seen = []
    quantize_module(model, batch(1), [batch(3), batch(5)], progress=lambda *k: seen.append(k))
    assert seen == [(1, 2), (2, 2)]
    one, two = (quantize_module(model, batch(1), data) for data in (batch(), [batch()]))
    assert np.array_equal(run(one, batch(1)), run(two, batch(1)))


def test_the_model_is_left_as_it_was(model):
    model = build(Residual)
    model.train()
    model.body.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    level = logging.root.manager.disable
    quantize_module(model, batch(1), [batch()])
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert logging.root.manager.disable == level


def test_any_batch_size_of_the_graph(model):
    x = batch()
    one, four = (quantize_module(model, x[:k], [x]) for k in (1, 4))
    assert operators(one) == operators(four)
    assert np.allclose(run(four, x)[:1], run(one, x[:1]), rtol=1e-5)
