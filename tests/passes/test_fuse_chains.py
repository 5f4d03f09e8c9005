"""Element-wise operations in one loop: the same bits, and nothing between them is stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from int8.networks import quantised
from passes.joined import ops, results, step
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.types import int8
from trainlet.passes.fuse.chains import fuse_chains
from trainlet.planning import target
from trainlet.planning.place import plan_graph
from zoo import NETWORKS

X, Y = (leaf("input", name, float32(1, 5, 4, 8)) for name in "xy")
A, B, C, D = (leaf("input", name, float32(8)) for name in "abcd")
GATE = leaf("input", "gate", float32(1, 1, 1, 8))


def fused(*outputs: Node) -> list[Node]:
    graph = fuse_chains(Graph({f"y{k}": n for k, n in enumerate(outputs)}))
    return [n for n in graph.nodes() if not n.is_leaf]


def links(n: Node) -> str:
    return " ".join(f"{op}({operands})" for op, operands, _ in n.attrs["links"])


def test_a_norm_is_one_loop():
    (n,) = fused(build("add", build("mul", X, A), B))
    assert links(n) == "mul(mv) add(xv)" and n.inputs == (X, A, B)


def test_the_order_of_operands_stays():
    (n,) = fused(build("scale", build("sub", GATE, build("offset", X, term=1.0)), factor=2.0))
    assert links(n) == "offset(m) sub(vx) scale(x)" and n.inputs == (X, GATE)


def test_registers_hold_three_vectors():
    """Four would be slower together than apart."""
    first, second = fused(build("add", build("mul", build("add", build("mul", X, A), B), C), D))
    assert first.op == "mul" and links(second) == "add(mv) mul(xv) add(xv)"


def test_what_somebody_else_reads_is_stored():
    product = build("mul", X, A)
    assert fused(build("add", product, B), build("relu", product))[0].op == "mul"
    assert [n.op for n in fused(build("add", product, B), product)] == ["mul", "add"]


def test_what_is_faster_apart_stays_apart():
    """Two maps do not meet in eights beside vectors; and ReLU compares floats as integers."""
    assert [n.op for n in fused(build("add", build("mul", X, A), Y))] == ["mul", "add"]
    assert [n.op for n in fused(build("relu", build("mul", X, A)))] == ["mul", "relu"]


def test_no_more_is_alive_than_before():
    """The sum's operands would have to wait for the product's."""
    assert [n.op for n in fused(build("sub", build("sub", X, Y), A))] == ["sub", "sub"]
    x = leaf("input", "x", int8(1, 5, 4, 8))
    real = dequantized(x)
    gradients = [build("hard_swish_dx", Y, real), build("silu_dx", Y, real)]
    assert [links(n) for n in fused(*gradients)] == [
        "dequantize(m) hard_swish_dx(mx)",
        "dequantize(m) silu_dx(mx)",
    ], "a byte may be read twice in place of four written"
    summed = build("sum_to", real, shape=(8,))
    apart = {n.op for n in fused(*gradients, summed)}
    assert apart == {"dequantize", "hard_swish_dx", "silu_dx", "sum_to"}


def test_what_repeats_in_another_way_is_no_link():
    column = leaf("input", "column", float32(5, 1, 8))
    assert [n.op for n in fused(build("add", build("mul", X, column), A))] == ["mul", "add"]


@pytest.mark.parametrize("name", ["se_hardswish", "cct2", "audio_conv1d"])
@pytest.mark.parametrize("gradient", ["float32", "int8"])
def test_int8_steps_keep_their_bits(name, gradient, monkeypatch):
    precision = tl.Int8(gradient=gradient, extra_bits=4)
    plain, joined = (
        step(name, monkeypatch, without, precision=precision) for without in ("fuse_chains", None)
    )
    assert "fused" in ops(joined) - ops(plain)
    x = quantised(name)[1]
    assert results(joined, x) == results(plain, x)
    assert plan_graph(joined).lower_bound <= plan_graph(plain).lower_bound


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in ("mlp", "lenet5", "recurrent")])
def test_float32_steps_keep_their_bits(name, monkeypatch):
    case = NETWORKS[name](1)

    def graph() -> Graph:
        step = tl.train(tl.prepare(case.model, case.x, check=False), "full").step
        return tl.Target.preset("cortex-m7").lower(step)[0]

    joined = graph()
    monkeypatch.setattr(target, "fuse_chains", lambda g: g)
    plain = graph()
    assert "fused" in ops(joined) - ops(plain)
    assert results(joined, case.x.numpy()) == results(plain, case.x.numpy())
    assert plan_graph(joined).lower_bound <= plan_graph(plain).lower_bound


def test_float32_maps_of_bytes_are_not_stored(monkeypatch):
    """What hard-swish's gradient needs is kept as bytes."""
    graph = step("se_hardswish", monkeypatch)
    kept = [n for n in graph.nodes() if n.op == "dequantize" and n.type.size >= 256]
    readers = {r.op for r in graph.nodes() if set(r.inputs) & set(kept)}
    assert not readers & {"hard_swish", "hard_swish_dx", "quantize", "lookup_i8"}


def test_the_trainer_steps_alike(monkeypatch):
    """Also with vectors whose length is no multiple of eight, and on this machine's sanitizers."""

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 12, 3, bias=False), nn.BatchNorm2d(12), nn.Hardswish(),
                          nn.Conv2d(12, 21, 3), nn.BatchNorm2d(21), nn.Tanh(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(21, 4))  # fmt: skip
    x, y = torch.randn(1, 3, 9, 9), np.array([2], np.int32)

    def trained() -> tuple[set[str], list[bytes]]:
        program = tl.compile(model.eval(), x, "full", target="host")
        trainer = program.build("sanitized")
        for _ in range(2):
            trainer.step(x.numpy(), y, 0.1)
        return ops(program.graph), [v.tobytes() for v in trainer.state().values()]

    joined = trained()
    monkeypatch.setattr(target, "fuse_chains", lambda g: g)
    plain = trained()
    assert "fused" in joined[0] - plain[0]
    assert joined[1] == plain[1]


class Shifted(nn.Module):
    """Maps too large to exist as a whole, and a chain without vectors between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 4, 3, stride=4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.hardswish(self.first(x) * 0.5 + 0.25)
        return self.last(self.second(x).mean((2, 3)))


def test_a_chain_may_work_in_rows():
    torch.manual_seed(0)
    model, x = Shifted().eval(), torch.randn(1, 3, 32, 32)
    tiled, whole = (tl.compile(model, x, "last", tile=tile) for tile in (True, False))
    (chain,) = (n for n in tiled.graph.nodes() if n.op == "fused")
    assert links(chain) == "scale(m) offset(x) hard_swish(x)"
    assert any(chain in tile.nodes for tile in tiled.plan.tiles)
    assert tiled.arena_bytes < whole.arena_bytes / 2
    found, expected = (p.build("host").predict(x.numpy()) for p in (tiled, whole))
    assert (found == expected).all()
