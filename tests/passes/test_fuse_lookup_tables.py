"""A function between two int8 maps is one table: the same bits, and no float32 map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from int8.networks import quantised
from passes.joined import results, step
from trainlet.ir.graph import Graph, Node
from trainlet.planning.place import plan_graph


def tables(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes() if n.op == "lookup_i8"]


@pytest.mark.parametrize(("name", "found"), [("se_hardswish", 3), ("cct2", 2), ("ds_cnn", 0)])
def test_the_same_bits_in_less_memory(name, found, monkeypatch):
    plain, joined = (step(name, monkeypatch, without) for without in ("fuse_lookup_tables", None))
    assert len(tables(joined)) == found and not tables(plain)
    x = quantised(name)[1]
    assert results(joined, x) == results(plain, x)
    assert plan_graph(joined).arena <= plan_graph(plain).arena


class Curves(nn.Module):
    """x sigmoid(x) written out, a gate that is no function of one map, a curve of few elements."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.gate = (nn.Conv2d(c, 8, 3, padding=1) for c in (2, 8, 8))
        self.third, self.last = nn.Conv2d(8, 8, 1), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = x * torch.sigmoid(x)
        x = self.third(self.second(x) * torch.tanh(self.gate(x)))
        return self.last(torch.tanh(x.mean((2, 3))))


def test_what_is_a_table_and_what_is_none(monkeypatch):
    """The gate reads two maps, and the last tanh has 8 elements."""
    torch.manual_seed(0)
    x, y = torch.randn(4, 2, 8, 8), np.array([1], np.int32)
    model = Curves().eval()

    def compiled() -> tl.CompiledProgram:
        return tl.compile(model, x[:1], "bias", precision="int8", calibration=[x.numpy()])

    joined = compiled()
    with monkeypatch.context() as patch:
        patch.setattr("trainlet.passes.training.fuse_lookup_tables", lambda g: g)
        plain = compiled()
    assert [n.inputs[0].name for n in tables(joined.graph)] == ["first"]
    assert joined.arena_bytes < plain.arena_bytes
    loss, logits, state = tl.evaluate(joined, x[:1], y)
    expected = tl.evaluate(plain, x[:1], y)
    assert loss == expected[0] and (logits == expected[1]).all()
    assert all((state[name] == value).all() for name, value in expected[2].items())


def test_a_table_may_work_in_rows():
    """A map that exists only a few rows at a time is looked up row by row."""
    graph, x = quantised("se_hardswish")
    tiled, whole = (
        tl.compile(graph, None, {"classifier.2.bias": 1}, precision="int8", tile=tile)
        for tile in (True, False)
    )
    assert any(n.op == "lookup_i8" for tile in tiled.plan.tiles for n in tile.nodes)
    assert (tiled.build("host").predict(x) == whole.build("host").predict(x)).all()
