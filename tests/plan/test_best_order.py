"""Orders: the best of all on small graphs, never worse than greedy on real ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

import trainlet as tl
from networks.schemes import scheme
from trainlet.errors import ToolchainError
from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ops.op import build, float32, leaf
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order import best_order, constraint
from trainlet.planning.order.best_order import find_order
from trainlet.planning.order.cut import bound_of_every_order
from trainlet.planning.order.schedule import before, schedule
from trainlet.planning.order.steps import Steps, steps_of
from trainlet.planning.order.stretch import Answer, search, stretch_of
from trainlet.planning.packing import constraint_place
from zoo import NETWORKS

EFFORTS = ("greedy", "optimal")


def all_orders(graph: Graph) -> Iterator[NodeOrder]:
    """Every order in which the graph can run."""
    wanted = before(graph)

    def go_on(done: tuple[Node, ...]) -> Iterator[NodeOrder]:
        if len(done) == len(wanted):
            yield done
        for n, first in wanted.items():
            if n not in done and first <= set(done):
                yield from go_on((*done, n))

    return go_on(())


def peak(graph: Graph, order: NodeOrder) -> int:
    return assign_buffers(graph, order).lower_bound


def drawn(seed: int) -> Graph:
    """Products of matrices and sums: some grow, some shrink, some work in place."""
    rng = np.random.default_rng(seed)
    nodes = [leaf("input", "x", float32(1, 8))]
    for k in range(7):
        i = nodes[rng.integers(len(nodes))]
        same = [n for n in nodes if n.type == i.type]
        if rng.random() < 0.4:
            nodes.append(build("add", i, same[rng.integers(len(same))], label=f"n{k}"))
        elif rng.random() < 0.3:
            nodes.append(build("relu", i, label=f"n{k}"))
        else:
            width = int(rng.choice([2, 4, 8, 16, 32]))
            weight = leaf("const", f"w{k}", float32(width, i.type.shape[1]))
            nodes.append(build("linear", i, weight, label=f"n{k}"))
    used = {i for n in nodes for i in n.inputs}
    ends = [n for n in nodes if n not in used and not n.is_leaf]
    return Graph({f"y{k}": n for k, n in enumerate(ends)})


@cache
def fork() -> Graph:
    """Two branches grow before they shrink: greedy begins with what grows least."""
    x = leaf("input", "x", float32(1, 8))

    def branch(name: str, *widths: int) -> Node:
        here = x
        for k, width in enumerate(widths):
            weight = leaf("const", f"{name}{k}", float32(width, here.type.shape[1]))
            here = build("linear", here, weight, label=f"{name}{k}")
        return here

    return Graph({"y": build("add", branch("a", 40, 8), branch("b", 24, 32, 8), label="y")})


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("seed", range(12))
def test_no_order_is_better(seed, effort):
    graph = drawn(seed)
    found = find_order(graph, effort)
    least = min(peak(graph, order) for order in all_orders(graph))
    assert found.peak == peak(graph, found.order) == least
    assert found.bound <= least


def test_greedy_is_not_always_the_best():
    graphs = [drawn(seed) for seed in range(12)] + [fork()]
    better = [find_order(g).peak < peak(g, schedule(g)) for g in graphs]
    assert any(better)


def test_the_bound_holds_for_all_orders():
    for seed in range(12):
        graph = drawn(seed)
        steps = steps_of(graph, schedule(graph))
        bound = bound_of_every_order(steps, range(len(steps.nodes)))
        assert bound <= min(peak(graph, order) for order in all_orders(graph))


def test_steps_cost_what_buffers_cost():
    for seed in range(6):
        graph = drawn(seed)
        steps = steps_of(graph, schedule(graph))
        number = {n: k for k, n in enumerate(steps.nodes)}
        for order in all_orders(graph):
            levels = steps.levels([number[n] for n in order])
            assert levels == assign_buffers(graph, order).live_bytes


@cache
def real(name: str, kind: str) -> Graph:
    case = NETWORKS[name](1)
    graph = tl.prepare(case.model, case.x, check=False)
    step = tl.train(graph, scheme(name, kind, case.model)).step
    return tl.Target.preset("cortex-m7").lower(step)[0]


@pytest.mark.parametrize("kind", ["full", "bias"])
@pytest.mark.parametrize("name", NETWORKS)
def test_real_orders_are_within_a_hundredth_of_what_every_order_needs(name, kind):
    graph = real(name, kind)
    found = find_order(graph)
    assert found.bound <= found.peak <= 1.01 * found.bound
    assert found.peak == peak(graph, found.order) <= peak(graph, schedule(graph))


def test_greedy_misses_a_real_optimum_by_a_third():
    graph = real("audio_conv1d", "full")
    found = find_order(graph)
    assert peak(graph, schedule(graph)) > 1.3 * found.peak
    assert found.peak == found.bound, "proven: no order is better"


def test_the_search_ends_sooner_where_it_may_not_search(monkeypatch):
    monkeypatch.setattr(best_order, "EFFORTS", {"greedy": best_order.Effort((12,), give_up, 1000)})
    graph = real("lenet5", "full")
    found = find_order(graph)
    assert found.order == schedule(graph) and found.bound < found.peak


def give_up(*_: object, **__: object) -> Answer:
    return Answer(None, False)


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "audio_conv1d", "cct2"])
def test_the_constraint_programme_and_the_search_agree(name):
    pytest.importorskip("ortools")
    steps = steps_of(real(name, "full"), schedule(real(name, "full")))
    order = tuple(range(len(steps.nodes)))
    levels = steps.levels(order)
    limit, top = max(levels), levels.index(max(levels))
    start, stop = max(top - 10, 0), min(top + 11, len(order))
    part = stretch_of(steps, order, start, stop)

    def highest(answer: Answer) -> int | None:
        inside = answer.steps
        return inside and max(steps.levels((*order[:start], *inside, *order[stop:])))

    one, other = search(steps, part, limit, 10_000), constraint.solve(steps, part, limit, 0)
    assert one.proven and other.proven
    assert highest(one) == highest(other)


@pytest.mark.parametrize("seed", range(6))
def test_the_constraint_programme_finds_the_best(seed, monkeypatch):
    """Where the search gives up; twice the same."""
    pytest.importorskip("ortools")
    monkeypatch.setattr(best_order, "search", give_up)
    graph = drawn(seed)
    found = find_order(graph, "optimal")
    assert found.peak == min(peak(graph, order) for order in all_orders(graph))
    assert find_order(graph, "optimal") == found


def test_without_or_tools(monkeypatch):
    """The search works alone; where it gives up, the greedy order stays."""
    for name in ("ortools", "ortools.sat", "ortools.sat.python"):
        monkeypatch.setitem(sys.modules, name, None)
    assert not constraint.available()
    graph = fork()
    assert find_order(graph, "optimal").peak == min(peak(graph, o) for o in all_orders(graph))
    monkeypatch.setattr(best_order, "search", give_up)
    assert find_order(graph, "optimal").order == schedule(graph)
    steps = steps_of(graph, schedule(graph))
    part = stretch_of(steps, range(len(steps.nodes)), 0, len(steps.nodes))
    with pytest.raises(ToolchainError, match=r"pip install 'trainlet\[planning\]'"):
        constraint.solve(steps, part, 1 << 20, 0)
    with pytest.raises(ToolchainError, match="OR-Tools"):
        constraint_place.place([], {}, 8)


def test_an_unknown_schedule_is_refused():
    case = NETWORKS["mlp"](1)
    with pytest.raises(tl.TrainletError, match="allowed: 'greedy', 'optimal'"):
        tl.compile(case.model, case.x, "bias", target="host", schedule="best")


def test_the_report_tells_the_gap():
    case = NETWORKS["mlp"](1)
    made = tl.compile(case.model, case.x, "last", target="host", schedule="optimal")
    assert made.report.every_order_bytes == made.report.arena_bytes == 416
    assert "416 = 1.000 x what every order needs" in str(made.report)


def test_the_search_computes_what_a_step_adds_once(monkeypatch):
    """Many sets of steps are reached; a step's growth is computed only where it can differ."""
    steps = steps_of(fork(), schedule(fork()))
    growth, asked = Steps.growth, []
    monkeypatch.setattr(Steps, "growth", lambda *given: asked.append(given[1:]) or growth(*given))
    part = stretch_of(steps, range(len(steps.nodes)), 0, len(steps.nodes))
    asked.clear()
    search(steps, part, 1 << 30, states=1000)
    seen = [(n, run & steps.watched[n]) for n, run in asked]
    assert seen and len(seen) == len(set(seen))
    for n, run in asked:
        assert growth(steps, n, run) == growth(steps, n, run & steps.watched[n])
