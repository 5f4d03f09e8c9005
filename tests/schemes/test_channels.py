"""Which input channels of a weight learn: their gradients are torch's, all others stay."""

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from networks.gradients import oracle_gradients
from networks.reference import run_sgd, trained_part, worst
from trainlet.backends.record import Record, parse_record, print_record
from trainlet.errors import SchemeError, StateError
from trainlet.ir.storage import storage
from trainlet.ir.text import parse_graph, print_graph
from trainlet.run.state import convert
from zoo import Case


class Layers(nn.Module):
    """One layer of each kind whose weight can learn in part."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.grouped = nn.Conv2d(12, 12, 3, groups=4)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.depthwise(self.first(x).relu())).relu()
        x = self.grouped(self.pointwise(x).relu()).relu()
        return self.fc(self.up(x).mean((2, 3)))


GIVEN = {
    "first.weight": {"channels": [2]},
    "depthwise.weight": {"channels": [7, 1, 4]},
    "pointwise.weight": {"channels": [1, 5, 7]},
    "grouped.weight": {"channels": [1, 3]},
    "up.weight": {"channels": [0, 3, 11]},
    "fc.weight": {"channels": [5, 2]},
    "fc.bias": 1.0,
}
NORM = {
    name: {"share": share, "channels": "norm"}
    for name, share in {"first": 0.34, "depthwise": 0.5, "pointwise": 0.25, "grouped": 0.5,
                        "up": 0.5, "fc": 0.5}.items()
}  # fmt: skip
SCHEMES = {
    "given": tl.UpdateScheme(GIVEN),
    "norm": tl.UpdateScheme({f"{name}.weight": entry for name, entry in NORM.items()}),
    "leading": tl.UpdateScheme(
        {f"{name}.weight": entry["share"] for name, entry in NORM.items()}, channels="leading"
    ),
}


def case(batch: int = 2) -> Case:
    torch.manual_seed(3)
    model, x = Layers().eval(), torch.randn(batch, 3, 5, 5)
    return Case(model, x, torch.randint(0, 4, (batch,)), 4)


@pytest.mark.parametrize("name", SCHEMES)
def test_gradients_are_torchs(name: str):
    network, scheme = case(), SCHEMES[name]
    graph = tl.prepare(network.model, network.x, check=False)
    _, expected = run_sgd(network, scheme)
    error, where = worst(oracle_gradients(graph, network, scheme), expected)
    assert error < 2e-5, where


@pytest.mark.parametrize("optimizer", [tl.SGD(0.1), tl.SGD(0.1, 0.9), tl.Adam(0.1)])
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["given", "norm"])
def test_chosen_channels_learn_and_others_stay(name, precision, optimizer):
    """To the bit; the C, the oracle and the simulation agree."""
    network, scheme = case(1), SCHEMES[name]
    more = {"calibration": [network.x]} if precision == "int8" else {}
    program = tl.compile(
        network.model, network.x, scheme, target="host", precision=precision,
        optimizer=optimizer, **more,
    )  # fmt: skip
    x, y = network.x.numpy(), network.y.numpy().astype(np.int32)
    with program.build("host") as trainer:
        before = trainer.state()
        trainer.step(x, y)
        after = trainer.state()
    assert {k: v.shape for k, v in after.items()} == {
        k: tuple(p.shape) for k, p in network.model.named_parameters() if k in scheme
    }
    for key in scheme:
        moved = after[key] != before[key]
        part = trained_part(network.model, scheme, key) > 0
        assert moved[part].any() and not moved[~part].any(), key
    _, _, oracle = tl.evaluate(program, x, y)
    for key in scheme:
        np.testing.assert_allclose(after[key], oracle[key], rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_state_comes_back(precision):
    network, scheme = case(1), SCHEMES["given"]
    more = {"calibration": [network.x]} if precision == "int8" else {}
    program = tl.compile(
        network.model, network.x, scheme, target="host", precision=precision, **more
    )
    with program.build("host") as trainer, program.build("host") as other:
        trainer.step(network.x, network.y, lr=0.5)
        state = trainer.state()
        other.load_state(state)
        assert all(np.array_equal(other.state()[k], v) for k, v in state.items())
        other.reset()
        other.load(trainer.save())
        assert all(np.array_equal(other.state()[k], v) for k, v in state.items())


def test_all_given_channels_are_the_whole_weight():
    network = case()
    every = tl.UpdateScheme({"pointwise.weight": {"channels": range(8)}, "fc.bias": 1})
    whole = tl.UpdateScheme({"pointwise.weight": 1, "fc.bias": 1})
    graph = tl.prepare(network.model, network.x, check=False)
    texts = [tl.train(graph, scheme).step.nodes() for scheme in (every, whole)]
    assert sorted(n.op for n in texts[0]) == sorted(n.op for n in texts[1])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"channels": []}, "at least one index"),
        ({"channels": [1, 1]}, "each index once"),
        ({"channels": [-1]}, "whole numbers from 0 on; found -1"),
        ({"channels": [0.5]}, "whole numbers from 0 on; found 0.5"),
        ({"channels": [float("nan")]}, "whole numbers from 0 on; found nan"),
        ({"channels": [True]}, "whole numbers from 0 on; found True"),
        ({"channels": [2**31]}, "whole numbers from 0 on"),
        ({"channels": 3}, "'norm', 'leading', or a list of indices"),
        ({"channels": "largest", "share": 0.5}, "'norm', 'leading', or a list of indices"),
        ({"channels": [1], "share": 0.5}, "give one of the two"),
        ({"channels": "norm"}, "ratio None"),
        ({"share": 2, "channels": "norm"}, r"ratio 2; allowed: 0\.\.1"),
        ({"share": 0.5, "chanels": "norm"}, "'chanels'; allowed: share, channels"),
    ],
)
def test_an_entry_that_makes_no_sense(entry, message):
    with pytest.raises(SchemeError, match=f"parameter 'a.weight' has .*{message}"):
        tl.UpdateScheme({"a.weight": entry})


@pytest.mark.parametrize(
    ("name", "index", "message"),
    [
        ("pointwise.weight", 8, r"8 input channels or groups; allowed: indices in 0\.\.7"),
        ("grouped.weight", 4, r"4 input channels or groups; allowed: indices in 0\.\.3"),
        ("fc.bias", 0, "has no input channels to learn in part"),
        ("norm.weight", 0, "has no input channels to learn in part"),
    ],
)
def test_an_index_that_is_no_channel(name, index, message):
    network = case()
    with pytest.raises(SchemeError, match=f"parameter '{name}'.*{message}"):
        tl.compile(network.model, network.x, {name: {"channels": [index]}}, check=False)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_graph_and_the_record_come_back(precision):
    network, scheme = case(1), SCHEMES["given"]
    more = {"calibration": [network.x]} if precision == "int8" else {}
    program = tl.compile(network.model, network.x, scheme, precision=precision, **more)
    text = print_graph(program.graph)
    assert print_graph(parse_graph(text)) == text
    layout = parse_record(print_record(Record.of(program))).layout
    assert layout.fingerprint == program.layout.fingerprint
    assert [storage(n) for n in layout.leaves] == [storage(n) for n in program.layout.leaves]


def test_toml_there_and_back():
    text = """[update]
"features.3.weight" = 0.5
"a.weight" = { share = 0.25, channels = "norm" }
"b.weight" = { channels = [1, 5, 7] }
"c.bias" = 1.0
"""
    scheme = tl.UpdateScheme.from_toml(text)
    assert scheme.rule("a.weight") == "norm" and scheme.rule("b.weight") == (1, 5, 7)
    assert list(scheme) == ["features.3.weight", "a.weight", "c.bias", "b.weight"]
    assert tl.UpdateScheme.from_toml(scheme.to_toml()) == scheme


def test_one_rule_for_all_shares():
    scheme = tl.UpdateScheme(
        {"a": 0.5, "b": {"share": 0.5, "channels": "leading"}, "c": 1}, channels="norm"
    )
    assert [scheme.rule(k) for k in "ab"] == ["norm", "leading"] and len(scheme) == 3


def test_a_state_of_other_channels_is_converted():
    """Between programs that keep the same weight in different orders."""
    network = case(1)
    programs = [
        tl.compile(
            network.model, network.x, {"depthwise.weight": {"channels": index}, "fc.bias": 1},
            target="host",
        )
        for index in ([7, 1, 4], [1, 2, 7])
    ]  # fmt: skip
    with programs[0].build("host") as old, programs[1].build("host") as new:
        old.step(network.x, network.y, lr=0.5)
        with pytest.raises(StateError, match="another layout"):
            new.load(old.save())
        converted = convert(old.save(), *programs)
        assert "no longer learn" in converted.notes[0] and "did not learn" in converted.notes[1]
        start = new.state()["depthwise.weight"]
        new.load(converted.blob)
        found, learnt = new.state()["depthwise.weight"], old.state()["depthwise.weight"]
    assert np.array_equal(found[[1, 7]], learnt[[1, 7]])
    others = [0, 2, 3, 4, 5, 6]
    assert np.array_equal(found[others], start[others]) and (found[[1, 7]] != start[[1, 7]]).any()
