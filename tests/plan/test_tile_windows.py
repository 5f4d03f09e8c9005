"""Windows of any kernel, padding, stride and dilation on maps of any size: in tiles as without."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import ShapeError
from trainlet.ir.graph import Graph, Node, users
from trainlet.ops.op import OPS, build, float32, leaf
from trainlet.planning.place import plan_graph
from trainlet.planning.program import Stage
from trainlet.planning.tiles.make import Tiles
from trainlet.planning.tiles.maps import rows_of
from trainlet.run.evaluate import evaluate_graph
from trainlet.run.simulated import ArenaDevice

KINDS = ("conv2d", "depthwise", "max_pool", "avg_pool", "relu")
CHANNELS = 8  # of which a row of bits is whole bytes


def layer(draw: random.Random, x: Node, k: int) -> Node:
    """One operation with a random window, paddings larger than the window among them."""
    kind = draw.choice(KINDS)
    if kind == "relu":
        return build("relu", x)
    kernel = draw.randint(1, 4), draw.randint(1, 3)
    where = {
        "stride": (draw.randint(1, 3), draw.randint(1, 2)),
        "padding": tuple(draw.randint(0, draw.choice((1, 2, 5))) for _ in range(4)),
        "dilation": (draw.randint(1, 3), 1),
    }
    if kind == "max_pool":
        return build(kind, x, kernel=kernel, **where)
    if kind == "avg_pool":
        del where["dilation"]
        return build(kind, x, kernel=kernel, count_padding=draw.random() < 0.5, **where)
    shape = (*kernel, CHANNELS) if kind == "depthwise" else (CHANNELS, *kernel, CHANNELS)
    groups = {} if kind == "depthwise" else {"groups": 1}
    return build(kind, x, leaf("const", f"w{k}", float32(*shape)), **where, **groups)


def chain(draw: random.Random) -> Graph | None:
    """Some layers, and their gradient back to the input; None where a window does not fit."""
    x = leaf("input", "x", float32(1, draw.choice((1, 2, 7, 12)), draw.randint(1, 6), CHANNELS))
    y, made = x, []
    try:
        for k in range(draw.randint(2, 4)):
            y = layer(draw, y, k)
            made.append(y)
        g = leaf("input", "g", y.type)
        for n in reversed(made):
            thunk = OPS[n.op].vjp(n, g)[0]
            assert thunk
            g = thunk()
    except ShapeError:
        return None
    return Graph({"y": y, "dx": g}, {})


def in_a_tile(draw: random.Random, graph: Graph) -> tuple[list[Node], int] | None:
    """Neighbours in the order that run on rows, and how many rows at a time."""
    order = [n for n in graph.nodes() if not n.is_leaf]
    start = draw.randrange(len(order))
    end = start
    while end < len(order) and rows_of(order[end]) and (end == start or draw.random() < 0.8):
        end += 1
    return (order[start:end], draw.randint(1, 4)) if end > start else None


@pytest.mark.parametrize("seed", range(4))
def test_the_same_values_in_tiles(seed: int) -> None:
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    tried = beyond = 0
    while tried < 100:
        graph = chain(draw)
        chosen = in_a_tile(draw, graph) if graph else None
        if graph is None or chosen is None:
            continue
        tried += 1
        beyond += any(rows_of(n) is None for n in graph.nodes() if not n.is_leaf)
        nodes, rows = chosen
        readers = {n: list(r) for n, r in users(graph.nodes()).items()}
        for n in graph.outputs.values():
            readers[n].append(Node("outside", (n,), n.type))
        tile = Tiles(readers).make(nodes, rows)
        order = tuple(n for n in graph.nodes() if not n.is_leaf)
        plan = plan_graph(graph, order, (tile,))  # it checks the plan
        leaves = {
            n.name: rng.standard_normal(n.type.shape).astype(np.float32)
            for n in graph.nodes() if n.is_leaf
        }  # fmt: skip
        device = object.__new__(ArenaDevice)
        device.program = SimpleNamespace(stages={}, arena_bytes=plan.arena)
        device.values = {n.name: leaves[n.name] for n in graph.leaves("const")}
        found = device.run(graph, Stage(graph, plan), leaves)
        for name, wanted in evaluate_graph(graph, leaves).items():
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-4)
    assert beyond > 10


@pytest.mark.parametrize(
    ("kernel", "padding", "stride"), [(1, 1, 1), (1, 2, 2), (2, 3, 1), (3, 3, 2)]
)
def test_padding_as_large_as_the_kernel(kernel: int, padding: int, stride: int) -> None:
    """Rows of the result whose window lies in the padding; the layer behind it runs in rows."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, kernel, stride, padding), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1),
              nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)]  # fmt: skip
    model, x = nn.Sequential(*layers).eval(), torch.randn(1, 3, 24, 24)
    for scheme in ("last", "bias", {"0.weight": 1.0}):
        program = tl.compile(model, x, scheme, target="host", tile=True)
        loss, logits, _ = tl.evaluate(program, x, [1])
        with program.build("sanitized") as device:
            np.testing.assert_allclose(device.predict(x), logits, rtol=1e-5, atol=1e-5)
            assert device.step(x, [1]) == pytest.approx(loss, rel=1e-5)
