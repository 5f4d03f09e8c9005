"""Lite residual modules: the start, the module against torch's, int8 backbones, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import trainlet as tl
from trainlet.adapt.tinytl import divisible
from trainlet.errors import TrainletError
from trainlet.ir.graph import Graph
from zoo import NETWORKS

from .bottlenecks import network, with_modules

LABELS = [0, 2]


def drawn(graph: Graph) -> Graph:
    """The graph whose last norms have weights that are drawn: zeros would hide a wrong gradient."""
    rng = np.random.default_rng(0)
    values = {
        name: rng.normal(0, 1, v.shape).astype(np.float32)
        for name, v in graph.values.items()
        if ".lite.norm" in name
    }
    return Graph(graph.outputs, {**graph.values, **values})


def prepared(precision: str, normed: bool = True) -> tuple[Graph, np.ndarray]:
    net, x = network(normed)
    shown = [torch.randn(16, 3, 13, 13, generator=torch.Generator().manual_seed(0))]
    how = {"precision": "int8", "calibration": shown} if precision == "int8" else {}
    return tl.prepare(net, x, **how), x.numpy()


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_start_is_the_pretrained_function_to_the_bit(precision, normed):
    graph, x = prepared(precision, normed)
    changed = tl.adapt.tinytl(graph)
    assert sum(n.attrs.get("adapter") == "lite" for n in changed.leaves("param")) == 5 * 5
    plain, program = (
        tl.plan(tl.train(g, s), "host") for g, s in ((graph, "last"), (changed, "tinytl"))
    )
    with plain.build() as one, program.build() as other:
        before = other.predict(x)
        np.testing.assert_array_equal(before, one.predict(x))
        for _ in range(3):
            other.step(x, LABELS, lr=0.1)
        assert not np.array_equal(other.predict(x), before)


@pytest.mark.parametrize("normed", [True, False])
def test_a_module_is_that_of_torch(normed):
    net, x = network(normed)
    graph = drawn(tl.adapt.tinytl(tl.prepare(net, x)))
    model = with_modules(net, graph)
    y = model(x.double())
    torch.nn.functional.cross_entropy(y, torch.tensor(LABELS)).backward()
    program = tl.plan(tl.train(graph, "tinytl", optimizer=tl.SGD(1.0)), "host")
    with program.build() as trainer:
        np.testing.assert_allclose(trainer.predict(x.numpy()), y.detach(), atol=1e-5)
        trainer.step(x.numpy(), LABELS)
        state = trainer.state()
    for name, parameter in model.named_parameters():
        if name in state:
            assert parameter.grad is not None
            ours, scale = graph.values[name] - state[name], float(parameter.grad.abs().max())
            np.testing.assert_allclose(ours, parameter.grad, atol=3e-5 * max(1, scale))
    assert {n for n in state if ".lite." in n} == {
        f"{k}.lite.{own}" for k in range(2, 7) for own in
        ("conv1.weight", "conv2.weight", "norm1.weight", "norm1.bias", "norm2.weight")
    }  # fmt: skip


def test_the_schemes_of_the_paper():
    graph = tl.adapt.tinytl(prepared("float32")[0])
    modules = set(tl.schemes.tinytl(graph, biases=False))
    both = set(tl.schemes.tinytl(graph))
    assert {n for n in modules if n.endswith("norm2.bias")} == {
        f"{k}.lite.norm2.bias" for k in range(2, 7)
    }
    assert both - modules == {"0.bias"} | {
        f"{k}.norms.{i}.bias" for k in range(2, 7) for i in range(3)
    }
    assert modules - both == {f"{k}.lite.norm2.bias" for k in range(2, 7)}


def test_the_kernel_shrinks_with_the_map():
    graph = tl.adapt.tinytl(prepared("float32")[0])
    sides = [graph.values[f"{k}.lite.conv1.weight"].shape[2:] for k in range(2, 7)]
    assert sides == [(5, 5), (5, 5), (3, 3), (3, 3), (1, 1)]  # pooled maps of 6, 6, 3, 3, 2
    assert graph.values["3.lite.conv1.weight"].shape == (8, 4, 5, 5)  # two groups


@pytest.mark.parametrize(("channels", "found"), [(3, 8), (12, 16), (18, 24), (20, 24), (96, 96)])
def test_channels_are_multiples_of_8(channels, found):
    assert divisible(channels) == found


@pytest.mark.parametrize("name", ["mobilenet_v2", "mcunet_like", "se_hardswish"])
def test_blocks_are_found_in_networks(name):
    case = NETWORKS[name](1)
    graph = tl.adapt.tinytl(tl.prepare(case.model, case.x, check=False))
    blocks = {n.name.partition(".lite.")[0] for n in graph.leaves("param") if ".lite." in n.name}
    expected = {"mobilenet_v2": 16, "mcunet_like": 10, "se_hardswish": 4}  # those that expand
    assert len(blocks) == expected[name]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_emulated_m7_computes_the_hosts_bits(precision):
    graph, x = prepared(precision)
    program = tl.plan(tl.train(tl.adapt.tinytl(graph), "tinytl"), "cortex-m7")
    with program.build("unicorn") as device, program.build() as host:
        for labels in (LABELS, [1, 1]):
            assert device.step(x, labels) == host.step(x, labels)
        np.testing.assert_array_equal(device.predict(x), host.predict(x))
        states = device.state(), host.state()
    loss, _, state = tl.evaluate(program, x, LABELS)
    assert np.isfinite(loss) and set(state) == set(states[0])
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expand": 0}, "expand is 0; allowed: a number above 0"),
        ({"expand": float("nan")}, "expand is nan"),
        ({"kernel": 4}, "kernel=4; allowed: an odd number"),
        ({"kernel": 0}, "kernel=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(TrainletError, match=message):
        tl.adapt.tinytl(prepared("float32")[0], **options)


def test_networks_without_bottlenecks_and_a_second_module_are_refused():
    case = NETWORKS["mobilenet_v1"](1)
    with pytest.raises(TrainletError, match="the graph has no inverted bottleneck"):
        tl.adapt.tinytl(tl.prepare(case.model, case.x, check=False))
    graph = tl.adapt.tinytl(prepared("float32")[0])
    with pytest.raises(TrainletError, match="block '2' has a lite residual module already"):
        tl.adapt.tinytl(graph)
    with pytest.raises(TrainletError, match="no adapter that can be merged"):
        tl.adapt.merge(graph, {})
