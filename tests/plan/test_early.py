"""What the backward pass keeps of a map is made before the map would stand at a peak."""

import numpy as np
from torch import nn

import trainlet as tl
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf
from trainlet.planning.order.early import saved_early
from trainlet.planning.order.schedule import before
from trainlet.planning.place import plan_graph
from trainlet.planning.tiles import tiled
from trainlet.planning.tiles.tiled import plan_in_tiles

HIGH, WIDE = 8, 16


def step(share: float = 0.25) -> Graph:
    """A quarter of a weight learns, so a quarter of the map that it reads is kept."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, WIDE, 3, 2, 1), nn.ReLU(), nn.Conv2d(WIDE, WIDE, 1), nn.ReLU(),
        nn.Conv2d(WIDE, 4 * WIDE, 1, bias=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * WIDE * HIGH * HIGH, 4),
    ).eval()  # fmt: skip
    x = np.random.default_rng(0).normal(size=(1, 3, 2 * HIGH, 2 * HIGH)).astype(np.float32)
    scheme = {"6.weight": share, "6.bias": 1.0, "11.bias": 1.0}
    return tl.Target.preset("cortex-m7").lower(tl.train(tl.prepare(model, x), scheme).step)[0]


def late(graph: Graph) -> tuple:
    """An order in which nothing of the backward pass is made before it must be."""
    order = plan_graph(graph).order
    kept = next(n for n in order if n.op in ("slice", "gather"))
    rest = [n for n in order if n is not kept]
    reader = next(k for k, n in enumerate(rest) if kept in n.inputs)
    return kept, (*rest[:reader], kept, *rest[reader:])


def test_it_stands_behind_the_last_forward_reader():
    graph = step()
    kept, order = late(graph)
    early = saved_early(graph, order)
    last = max(k for k, n in enumerate(early) if kept.inputs[0] in n.inputs and n is not kept)
    assert sorted(map(id, early)) == sorted(map(id, order))
    assert early.index(kept) == last + 1 < order.index(kept)
    check_order(graph, early)
    assert saved_early(graph, early) == early


def check_order(graph: Graph, order: tuple) -> None:
    waits, done = before(graph), set()
    for n in order:
        assert waits[n] <= done
        done.add(n)


def test_what_waits_for_a_gradient_is_not_moved():
    """The whole weight learns: its gradient is smaller than the map, and reads it."""
    graph = step(1.0)
    order = plan_graph(graph).order
    assert any(n.op == "conv2d_dw" for n in order)
    check_order(graph, saved_early(graph, order))


def test_the_smaller_plan_is_taken(monkeypatch):
    graph = step()
    _, order = late(graph)
    plan = plan_in_tiles(graph, order, rollback=False)
    monkeypatch.setattr(tiled, "saved_early", lambda _, order: order)
    assert plan.arena < plan_in_tiles(graph, order, rollback=False).arena


def test_maps_with_one_last_reader_are_taken_in_its_order():
    """Not in the order of a set, which differs from one process to another."""
    maps = [build("relu", leaf("input", f"x{k}", float32(1, 4, 4, 8))) for k in range(9)]
    joined = Node("concat", tuple(maps), float32(1, 4, 4, 72), {"axis": 3})
    masks = [build("relu_mask", m) for m in maps]
    graph = Graph({"logits": joined, **{f"mask{k}": m for k, m in enumerate(masks)}}, {})
    early = saved_early(graph, (*maps, joined, *reversed(masks)))
    assert early == (*maps, joined, *masks)
