"""LoRA in float32: the start, the gradients against autograd, what is kept, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call

import trainlet as tl
from trainlet.errors import SchemeError, TrainletError
from trainlet.ir.graph import Graph

from .networks import adapted_weights, maps, tokens, with_drawn

NETWORKS = pytest.mark.parametrize("network", [maps, tokens])
ALL = {
    maps: ["0", "2", "7", "9", "12"],
    tokens: ["embed", "mix", "along", "head"],
}


def adapted(network, **options) -> tuple[torch.nn.Module, torch.Tensor, Graph]:
    model, x = network()
    return model, x, tl.adapt.lora(tl.prepare(model, x), 2, layers=ALL[network], **options)


@NETWORKS
def test_the_start_is_the_pretrained_function(network):
    model, x, graph = adapted(network)
    plain = tl.plan(tl.train(tl.prepare(model, x), "last"), "host")
    program = tl.plan(tl.train(graph, "lora"), "host")
    with plain.build() as one, program.build() as other:
        found, expected = other.predict(x.numpy()), one.predict(x.numpy())
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_the_start_is_equal_to_the_bit_where_h_is_computed():
    model, x = maps()
    graph = tl.prepare(model, x)
    plain = tl.plan(tl.train(graph, "last"), "host")
    program = tl.plan(tl.train(tl.adapt.lora(graph, 2, layers=["2", "9", "12"]), "lora"), "host")
    with plain.build() as one, program.build() as other:
        np.testing.assert_array_equal(other.predict(x.numpy()), one.predict(x.numpy()))


@NETWORKS
@pytest.mark.parametrize("stabilized", [False, True])
def test_gradients_are_those_of_loralib(network, stabilized):
    model, x, graph = adapted(network, alpha=3, rank_stabilized=stabilized)
    graph = with_drawn(graph)
    factor = 3 / 2**0.5 if stabilized else 1.5
    names = [n.name for n in graph.leaves("param") if "adapter" in n.attrs]
    assert len(names) == 2 * len(ALL[network])
    leaves = {k: torch.tensor(graph.values[k], dtype=torch.float64).requires_grad_() for k in names}
    model, x = model.double(), x.double()
    for b in (n for n in graph.leaves("param") if "adapts" in n.attrs):
        assert b.attrs["factor"] == factor
    y = functional_call(model, adapted_weights(model, graph, leaves), x)
    torch.nn.functional.cross_entropy(y, torch.tensor([0, 2])).backward()
    program = tl.plan(tl.train(graph, "lora", optimizer=tl.SGD(1.0)), "host")
    with program.build() as trainer:
        np.testing.assert_allclose(trainer.predict(x.float().numpy()), y.detach(), atol=1e-5)
        trainer.step(x.float().numpy(), [0, 2])
        state = trainer.state()
    for name, theirs in leaves.items():
        assert theirs.grad is not None
        ours, scale = graph.values[name] - state[name], float(theirs.grad.abs().max())
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-5 * max(1, scale), err_msg=name)
        assert scale > 0


def test_with_a_frozen_only_h_is_kept():
    model = torch.nn.Sequential(*[torch.nn.Linear(64, 64) for _ in range(4)]).eval()
    x = torch.randn(8, 64)
    graph = tl.adapt.lora(tl.prepare(model, x), 4, layers=["0", "1", "2", "3"])
    scheme = {n.name: 1.0 for n in graph.leaves("param") if "adapter" in n.attrs}
    frozen = {name: 1.0 for name in scheme if name.endswith("lora_B")}
    whole, share = (tl.plan(tl.train(graph, s, loss="mse"), "host") for s in (scheme, frozen))
    h, at_all = 8 * 4 * 4, 8 * 64 * 4  # bytes of h, of x
    assert whole.saved_bytes - share.saved_bytes >= 3 * at_all
    assert share.saved_bytes <= 4 * h + 2 * at_all  # the loss keeps logits and target


def test_h_can_be_made_again_instead_of_kept():
    model = torch.nn.Sequential(*[torch.nn.Linear(64, 64) for _ in range(4)]).eval()
    x, layers, h = torch.randn(8, 64), ["0", "1", "2", "3"], 8 * 4 * 4
    plain = tl.prepare(model, x)
    only = {f"{k}.{own}": 1.0 for k in layers for own in ("lora_A", "lora_B")}
    graphs = [tl.adapt.lora(plain, 4, layers=layers, recompute=way) for way in (False, True)]
    kept, again = (tl.plan(tl.train(graph, only, loss="mse"), "host") for graph in graphs)
    assert kept.saved_bytes - again.saved_bytes == 4 * h
    assert again.macs_backward - kept.macs_backward == 4 * 8 * 4 * 64
    with kept.build() as one, again.build() as other:
        for _ in range(3):
            y = np.ones((8, 64), np.float32)
            assert one.step(x.numpy(), y) == other.step(x.numpy(), y)
        for name, value in one.state().items():
            np.testing.assert_array_equal(other.state()[name], value)


def test_the_values_depend_on_the_seed_and_the_name_alone():
    model, x = tokens()
    graph = tl.prepare(model, x)
    one, two = tl.adapt.lora(graph, 2), tl.adapt.lora(graph, 2, layers=["along"])
    np.testing.assert_array_equal(one.values["along.lora_A"], two.values["along.lora_A"])
    other = tl.adapt.lora(graph, 2, seed=1)
    assert not np.array_equal(one.values["along.lora_A"], other.values["along.lora_A"])
    bound = 1 / (8 * 3) ** 0.5
    assert 0.8 * bound < np.abs(one.values["along.lora_A"]).max() <= bound
    assert not one.values["along.lora_B"].any()


def test_by_default_the_classifier_learns_itself():
    model, x = tokens()
    graph = tl.adapt.lora(tl.prepare(model, x), 2)
    layers = ("embed", "mix", "along")
    own = {f"{layer}.{name}" for layer in layers for name in ("lora_A", "lora_B")}
    assert set(tl.schemes.lora(graph)) == own | {"head.weight", "head.bias"}
    only_b = {name for name in own if name.endswith("B")} | {"head.weight", "head.bias"}
    assert set(tl.schemes.lora(graph, frozen_a=True)) == only_b


def test_patterns_choose_layers():
    model, x = maps()
    graph = tl.adapt.lora(tl.prepare(model, x), 2, layers=["?"])
    found = {n.name for n in graph.leaves("param") if n.attrs.get("adapter") == "lora_A"}
    assert found == {"0.lora_A", "2.lora_A", "7.lora_A", "9.lora_A"}


@NETWORKS
def test_merged_weights_compute_the_same(network):
    model, x, graph = adapted(network, alpha=4)
    with tl.plan(tl.train(graph, "lora", optimizer=tl.SGD(0.1)), "host").build() as trainer:
        for _ in range(3):
            trainer.step(x.numpy(), [0, 2])
        logits, merged = trainer.predict(x.numpy()), tl.adapt.merge(graph, trainer.state())
    before = model(x).detach()
    found = model.load_state_dict({k: torch.tensor(v) for k, v in merged.items()}, strict=False)
    assert not found.unexpected_keys
    np.testing.assert_allclose(model(x).detach(), logits, atol=1e-5)
    assert np.abs(logits - before.numpy()).max() > 1e-3


def test_a_float_trainer_on_the_emulated_m7_computes_the_hosts_bits():
    _, x, graph = adapted(maps)
    program = tl.plan(tl.train(graph, "lora", optimizer=tl.Adam(0.01)), "cortex-m7")
    with program.build("unicorn") as device, program.build() as host:
        for label in ([0, 2], [1, 1]):
            assert device.step(x.numpy(), label) == host.step(x.numpy(), label)
        states = device.state(), host.state()
        for name in states[0]:
            np.testing.assert_array_equal(states[0][name], states[1][name])
    loss, _, state = tl.evaluate(program, x.numpy(), [0, 2])
    assert np.isfinite(loss) and set(state) == set(states[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank=0; allowed: a whole number, at least 1"),
        ({"rank": 2.5}, "rank=2.5"),
        ({"rank": True}, "rank=True"),
        ({"rank": 9, "layers": ["2"]}, r"rank=9 for the layer '2' .*allowed: at most 8"),
        ({"rank": 5, "layers": ["0"]}, r"rank=5 for the layer '0' .*allowed: at most 4"),
        ({"rank": 500}, "no layer's weight has more numbers than its adapter of rank 500"),
        ({"alpha": float("nan")}, "alpha is nan; allowed: a finite number"),
        ({"alpha": 0}, "alpha is 0; allowed: a number above 0"),
        ({"layers": ["5"]}, "the layer '5' is a depthwise"),
        ({"layers": ["nonsense"]}, "no layer is called 'nonsense'; the graph's layers: 0, 2, 7"),
        ({"layers": "2"}, "layers='2'; allowed: None, or a list"),
        ({"layers": []}, "layers=\\[\\]; allowed"),
        ({"rank_stabilized": 1}, "rank_stabilized=1; allowed: True, False"),
        ({"recompute": "no"}, "recompute='no'"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_what_is_refused(options, message):
    model, x = maps()
    with pytest.raises(TrainletError, match=message):
        tl.adapt.lora(tl.prepare(model, x), **options)


def test_a_second_adapter_and_a_missing_one_are_refused():
    model, x, graph = adapted(tokens)
    with pytest.raises(SchemeError, match="'mix' has an adapter already"):
        tl.adapt.lora(graph, 2, layers=["mix"])
    with pytest.raises(SchemeError, match="'lora' finds no adapter"):
        tl.train(tl.prepare(model, x), "lora")
    with pytest.raises(SchemeError, match="no adapter that can be merged"):
        tl.adapt.merge(tl.prepare(model, x), {})
    with pytest.raises(TrainletError, match="'mix.lora_A' of shape .*allowed"):
        tl.adapt.merge(graph, {"mix.lora_A": np.zeros(3, np.float32)})
    with pytest.raises(TrainletError, match="graph is"):
        tl.adapt.lora(model)  # type: ignore
