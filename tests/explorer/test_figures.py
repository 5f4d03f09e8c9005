"""The explorer's figures are the compiler's."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest
import torch

import trainlet as tl
from explorer.served import source
from trainlet.errors import SchemeError, UnsupportedError
from trainlet.explorer.explored import SPEECH, SYMBOLS, Explored, Source
from trainlet.explorer.figures import described, estimated, planned, wall
from trainlet.explorer.learning import learnt
from trainlet.explorer.requests import Forward, Lesson, Setting
from trainlet.explorer.teaching import symbols_graph
from trainlet.schemes.compiled_cost import roomy

SETTINGS = int(os.environ.get("TRAINLET_SETTINGS", "1"))


@cache
def explored(bundled: str) -> Explored:
    return Explored(source(bundled))


def chosen(layers, rng: np.random.Generator) -> dict[str, float]:
    """A random choice for each layer, as the page makes them."""
    scheme = dict.fromkeys(layers.head, 1.0)
    for layer in layers.body:
        options = [None, *([0.0] if layer.biases else []), *layer.shares]
        choice = options[rng.integers(len(options))]
        if choice is not None:
            scheme |= dict.fromkeys(layer.biases, 1.0)
            scheme |= {layer.weight: float(choice)} if choice else {}
    return scheme


@pytest.mark.parametrize("seed", range(SETTINGS))
def test_a_plan_is_what_compile_plans(seed: int) -> None:
    given = explored(SYMBOLS)
    scheme = chosen(given.layers, np.random.default_rng(seed))
    found = planned(given, Setting(scheme=scheme))
    own = tl.compile(
        symbols_graph(), None, tl.UpdateScheme(scheme), target=roomy(given.source.target),
        max_recompute=None, optimizer=tl.SGD(),
    )  # fmt: skip
    report = own.report
    assert found["arena"] == report.arena_bytes
    assert found["state"] == report.parameter_bytes + report.state_bytes
    assert found["saved"] == report.saved_bytes == sum(found["kept"])
    assert found["forward"] == report.macs_forward
    assert found["backward"] == report.macs_backward
    assert found["ram"] == report.arena_bytes + found["state"] + given.source.target.stack
    assert found["flash"] <= report.flash_bytes
    assert 0 <= found["stepArena"] - max(b["at"] + b["size"] for b in found["buffers"]) < 8
    estimate = estimated(given, Setting(scheme=scheme))
    for exact in ("state", "saved", "forward", "backward"):
        assert estimate[exact] == found[exact], exact
    assert 0.7 < estimate["ram"] / found["ram"] < 1.3


def test_buffers_do_not_overlap() -> None:
    found = planned(explored(SYMBOLS), Setting(scheme="bias"))
    whole = [b for b in found["buffers"] if b["phase"] != "old" and b["tile"] < 0]
    for k, a in enumerate(whole):
        for b in whole[k + 1 :]:
            together = a["from"] < b["to"] and b["from"] < a["to"]
            apart = a["at"] + a["size"] <= b["at"] or b["at"] + b["size"] <= a["at"]
            assert apart or not together, (a, b)


def test_the_wall_grows_with_the_batch_and_shrinks_in_int8() -> None:
    given = explored(SPEECH)
    one, four, small = (
        wall(given, Forward(precision=p, batch=b))  # type: ignore[arg-type]
        for p, b in (("float32", 1), ("float32", 4), ("int8", 1))
    )
    assert one["training"] > one["inference"]
    assert 3.5 < four["saved"] / one["saved"] <= 4
    assert 2 * small["inference"] < one["inference"]
    assert sum(one["kept"]) == one["saved"]


def test_the_network_is_described() -> None:
    found = described(explored(SPEECH))
    assert [layer["name"] for layer in found["layers"]][-1] == "classifier"
    assert found["precisions"] == ["float32", "int8"]
    assert found["examples"] == {"learn": 36, "test": 132}
    assert described(explored(SYMBOLS))["examples"] is None


def test_learning_on_the_examples_is_the_trainers_own() -> None:
    given = explored(SPEECH)
    asked = Lesson(scheme="last", epochs=1)
    found = learnt(given, asked)
    x, y, _, _ = given.data
    order = np.random.default_rng(0).permutation(len(y))
    with given.program(asked).build("host") as trainer:
        losses = [trainer.step(x[k][None], [y[k]], 0.01) for k in order]
    assert found["losses"] == losses
    assert 0.5 < found["before"] < found["after"]


def test_what_is_refused() -> None:
    given = explored(SYMBOLS)
    with pytest.raises(UnsupportedError, match="float32|int8"):
        estimated(given, Setting(scheme="last", precision="int8"))
    with pytest.raises(UnsupportedError, match="batch"):
        planned(given, Setting(scheme="last", batch=2))
    with pytest.raises(SchemeError, match="no parameter"):
        planned(given, Setting(scheme={"x": 1.0}))


def test_a_network_and_data_from_files(tmp_path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 3)
    )
    exported = torch.export.export(network.eval(), (torch.zeros(1, 1, 6, 6),))
    torch.export.save(exported, tmp_path / "net.pt2")
    rng = np.random.default_rng(0)
    y = np.arange(40) % 3
    x = (rng.normal(size=(40, 1, 6, 6)) + y[:, None, None, None]).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    given = Explored(Source(tmp_path / "net.pt2", tmp_path / "mine.npz", source("").target))
    assert described(given)["examples"] == {"learn": 30, "test": 10}
    assert given.precisions == ["float32", "int8"]
    for precision in given.precisions:
        assert estimated(given, Setting(scheme="bias", precision=precision))["saved"] > 0
        found = learnt(given, Lesson(scheme="full", precision=precision, epochs=2, rate=0.02))
        assert np.mean(found["losses"][30:]) < np.mean(found["losses"][:30])
    with pytest.raises(UnsupportedError, match="batch 2"):
        wall(given, Forward(batch=2))
