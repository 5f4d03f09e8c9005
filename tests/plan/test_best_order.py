"""Orders: the best of all on small graphs, never worse than greedy on real ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import build, float32, leaf
from trainlet.plan.best_order import find_order
from trainlet.plan.cut import bound_of_every_order
from trainlet.plan.liveness import assign_buffers
from trainlet.plan.schedule import Order, before, schedule
from trainlet.plan.steps import steps_of

EFFORTS = ("greedy", "optimal")


def all_orders(graph: Graph) -> Iterator[Order]:
    """Every order in which the graph can run."""
    wanted = before(graph)

    def go_on(done: tuple[Node, ...]) -> Iterator[Order]:
        if len(done) == len(wanted):
            yield done
        for n, first in wanted.items():
            if n not in done and first <= set(done):
                yield from go_on((*done, n))

    return go_on(())


def peak(graph: Graph, order: Order) -> int:
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
