"""LoRA beside int8 layers: the start to the bit, learning, devices, merging, what is refused."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import SchemeError
from trainlet.ir.graph import Graph
from trainlet.ir.storage import storage, to_device, to_user

LABELS = [0, 2]
LAYERS = ["0", "2", "5"]


def network() -> tuple[nn.Module, torch.Tensor]:
    """1x1 convolutions with and without a ReLU and a batch norm, a 3x3 convolution, a linear
    layer before the head."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(8, 16, 1), nn.ReLU(), nn.Conv2d(16, 12, 1, bias=False), nn.BatchNorm2d(12),
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3),
    ).eval()  # fmt: skip
    for name, parameter in net.named_parameters():
        if name == "3.weight":  # gamma, which is folded into the weight before it
            nn.init.uniform_(parameter, 0.5, 2)
    return net, torch.randn(2, 8, 5, 4)


@cache
def graphs() -> tuple[Graph, Graph, np.ndarray]:
    net, x = network()
    shown = [torch.randn(64, 8, 5, 4, generator=torch.Generator().manual_seed(0))]
    graph = tl.prepare(net, x, precision="int8", calibration=shown)
    return graph, tl.adapt.lora(graph, 4, layers=LAYERS), x.numpy()


def program(graph: Graph, scheme: str, target: str = "host", **how: Any) -> tl.CompiledProgram:
    training = tl.train(graph, scheme, precision=tl.Int8(**how), optimizer=tl.SGD(0.3))
    return tl.plan(training, target)


UNFOLDED = ["0", "5"]
"""Layers without a batch norm, whose adapters move alike in int8 and float32."""
ADAPTERS = {f"{layer}.{own}": 1.0 for layer in UNFOLDED for own in ("lora_A", "lora_B")}


@pytest.mark.parametrize("gradient", ["float32", "int16", "int8"])
def test_the_start_is_equal_to_the_bit_and_the_adapters_learn_as_in_float32(gradient):
    plain, adapted, x = graphs()
    training = tl.train(adapted, ADAPTERS, precision=tl.Int8(gradient=gradient))
    real = tl.train(tl.adapt.lora(tl.prepare(*network()), 4, layers=UNFOLDED), ADAPTERS)
    with program(plain, "last").build() as one, tl.plan(training, "host").build() as other:
        np.testing.assert_array_equal(other.predict(x), one.predict(x))
        losses = [other.step(x, LABELS, lr=1.0) for _ in range(12)]
        state = other.state()
    with tl.plan(real, "host").build() as trainer:
        expected = [trainer.step(x, LABELS, lr=1.0) for _ in range(12)]
    assert set(state) == set(ADAPTERS) and state["0.lora_A"].shape == (4, 8)
    assert losses[-1] < losses[0] - 0.015
    np.testing.assert_allclose(losses, expected, atol=0.003)


@pytest.mark.parametrize("scheme", ["lora", "lora_fa"])
def test_devices_the_oracle_and_the_simulation_compute_the_same_bits(scheme):
    _, adapted, x = graphs()
    compiled = program(adapted, scheme, "cortex-m7")
    many = tl.simulate(compiled, experiments=2)
    with compiled.build("unicorn") as device, compiled.build() as host:
        for labels in (LABELS, [1, 1], LABELS):
            assert device.step(x, labels) == host.step(x, labels)
            many.step(np.stack([x, x]), np.stack([labels, labels]))
        states = device.state(), host.state(), {k: v[1] for k, v in many.state().items()}
    for other in states[1:]:
        for name, value in states[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)
    with compiled.build() as host:
        loss = host.step(x, LABELS)
        assert tl.evaluate(compiled, x, LABELS)[0] == pytest.approx(loss, rel=1e-6)  # float32 head


def test_adapters_keep_bytes_of_h_and_of_x():
    plain, adapted, _ = graphs()
    pixels, ranks = 2 * 5 * 4, 4
    whole, share = program(adapted, "lora"), program(adapted, "lora_fa")
    assert whole.saved_bytes - share.saved_bytes >= pixels * (8 + 16)  # x of two layers, int8
    last = program(plain, "last")
    assert share.saved_bytes - last.saved_bytes < 2 * pixels * ranks + 2 * pixels * 28


def test_merging_says_what_rounding_loses():
    plain, adapted, x = graphs()
    with program(adapted, "lora").build() as trainer:
        for _ in range(30):
            trainer.step(x, LABELS)
        logits, state = trainer.predict(x), trainer.state()
    with pytest.raises(SchemeError, match=r"rounding loses \d+% of a change .* of 3 weights") as e:
        tl.adapt.merge(adapted, state)
    lost = int(re.findall(r"loses (\d+)%", str(e.value))[0])
    assert 0 < lost < 100
    merged = tl.adapt.merge(adapted, state, requantize=True)
    assert set(merged) == {"0.weight", "2.weight", "5.weight", "8.weight", "8.bias"}
    changed = Graph(plain.outputs, {**plain.values, **merged})
    before, after = tl.forward(plain, x), tl.forward(changed, x)
    assert np.abs(after - logits).max() < 0.5 * np.abs(before - logits).max()


def test_an_untrained_adapter_merges_without_loss():
    weights = network()[0].state_dict()
    merged = tl.adapt.merge(graphs()[1], {})
    assert set(merged) == {f"{layer}.weight" for layer in LAYERS}
    for name, value in merged.items():
        step = float(weights[name].abs().max()) / 127
        np.testing.assert_allclose(value, weights[name], rtol=0, atol=0.51 * step)


def test_merging_is_in_terms_of_the_weight_before_the_batch_norm():
    plain, adapted, _ = graphs()
    weight = next(n for n in plain.leaves("param") if n.name == "2.weight")
    a, b = adapted.values["2.lora_A"], np.full((12, 4), 0.5, np.float32)
    merged = tl.adapt.merge(adapted, {"2.lora_B": b}, requantize=True)["2.weight"]
    before = to_user(weight, to_device(weight, plain.values["2.weight"]))
    factor, quant = np.array(storage(weight).factor)[:, None], weight.type.quant
    assert quant is not None
    steps = np.array(quant.scale)[:, None]
    inside = np.abs(before.reshape(12, 16) * factor + b @ a) < 126 * steps  # not saturated
    wrong = (merged - before).reshape(12, 16) * factor - b @ a
    assert inside.sum() > 100 and (np.abs(wrong) <= 0.51 * steps)[inside].all()


def test_what_is_refused():
    plain, _, _ = graphs()
    with pytest.raises(SchemeError, match="alpha / rank is 2 for the int8 layer '0'; allowed: 1"):
        tl.adapt.lora(plain, 4, alpha=8, layers=["0"])
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 3)).eval()
    shown = [torch.randn(16, 4, 4, 4)]
    graph = tl.prepare(net, shown[0][:1], precision="int8", calibration=shown)
    with pytest.raises(SchemeError, match=r"int8 layer '0' is a convolution of kernel \(3, 3\)"):
        tl.adapt.lora(graph, 2, layers=["0"])
