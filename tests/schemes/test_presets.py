"""The presets name what they say, for a module and for its graph; and what a ratio of zero is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import SchemeError


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False),
        nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 8), nn.LayerNorm(8),
        nn.Linear(8, 3),
    ).eval()  # fmt: skip


LAST = {"9.weight", "9.bias"}
NAMED = {
    "full": {f"{k}.{name}" for k in (0, 1, 4, 7, 8, 9) for name in ("weight", "bias")}
    | {"3.weight"},
    "last": LAST,
    "bias": {f"{k}.bias" for k in (0, 1, 4, 7, 8)} | LAST,
    "norm": {f"{k}.{name}" for k in (1, 4, 8) for name in ("weight", "bias")} | LAST,
}


@pytest.mark.parametrize("name", NAMED)
def test_a_preset_of_a_module_and_of_its_graph(name):
    own, example = model(), torch.zeros(1, 2, 6, 6)
    preset = getattr(tl.schemes, name)
    assert set(preset(own)) == NAMED[name]
    assert set(preset(tl.prepare(own, example, check=False))) == NAMED[name]
    assert set(preset(own).ratios.values()) == {1.0}


def test_a_ratio_of_zero_is_frozen():
    scheme = tl.UpdateScheme({"9.weight": 0, "9.bias": 1})
    assert list(scheme) == ["9.bias"] and scheme["9.weight"] == 0 and len(scheme) == 1
    with pytest.raises(SchemeError, match="trains no parameter"):
        tl.compile(model(), torch.zeros(1, 2, 6, 6), {"9.weight": 0}, target="host")


@pytest.mark.parametrize(("k", "first"), [(1, 9), (2, 7), (3, 3), (4, 0)])
def test_the_last_layers_of_a_module_and_of_its_graph(k, first):
    own, example = model(), torch.zeros(1, 2, 6, 6)
    expected = {name for name in NAMED["full"] if int(name.partition(".")[0]) >= first}
    assert set(tl.schemes.last_layers(own, k)) == expected
    assert set(tl.schemes.last_layers(tl.prepare(own, example, check=False), k)) == expected


@pytest.mark.parametrize("k", [0, 5, 1.5, True])
def test_more_layers_than_there_are(k):
    with pytest.raises(SchemeError, match=f"k={k}; allowed: .*at most 4"):
        tl.schemes.last_layers(model(), k)
