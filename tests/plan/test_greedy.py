"""A greedy order is that of the plain method, which scores all that can run before each node."""

from __future__ import annotations

from functools import cache

import pytest

import trainlet as tl
from networks.schemes import scheme
from plan.deep import residual_step
from trainlet.ir.graph import Graph, Node
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.greedy import RULES, Progress, greedy
from trainlet.planning.order.schedule import before
from trainlet.planning.order.steps import members, steps_of
from zoo import NETWORKS


def plainly(graph: Graph, rule) -> tuple[Node, ...]:
    """The lowest score of all that can run; of equal ones what could run first."""
    dependencies = before(graph)
    progress = Progress(Liveness(graph).prints, dependencies)
    ready = [n for n in dependencies if not dependencies[n]]
    done = []
    while ready:
        chosen = min(ready, key=lambda n: rule(progress, n))
        ready.remove(chosen)
        done.append(chosen)
        ready += progress.run(chosen)[0]
    return tuple(done)


@cache
def step(name: str, kind: str) -> Graph:
    case = NETWORKS[name](1)
    graph = tl.prepare(case.model, case.x, check=False)
    return tl.train(graph, scheme(name, kind, case.model)).step


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("kind", ["full", "sparse"])
@pytest.mark.parametrize("name", ["resnet8", "cct2"])
def test_the_order_is_that_of_the_plain_method(name, kind, rule):
    graph = step(name, kind)
    assert greedy(Liveness(graph).prints, before(graph), rule) == plainly(graph, rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_scores_grow_in_proportion_to_the_step(rule):
    """Of a step twice as long about twice as many scores are computed."""

    def scores(blocks: int) -> int:
        graph, count = residual_step(blocks), 0

        def counting(progress, n):
            nonlocal count
            count += 1
            return rule(progress, n)

        greedy(Liveness(graph).prints, before(graph), counting)
        return count

    assert scores(16) <= 2.2 * scores(8)


def test_what_runs_earlier_and_later():
    """The sets of steps are those that the dependencies give, one after the other."""
    graph = step("resnet8", "full")
    steps = steps_of(graph, greedy(Liveness(graph).prints, before(graph), RULES[0]))
    for k, first in enumerate(steps.first):
        through = set(members(first)).union(*(members(steps.earlier[j]) for j in members(first)))
        assert set(members(steps.earlier[k])) == through
        assert set(members(steps.later[k])) == {
            j for j, earlier in enumerate(steps.earlier) if earlier >> k & 1
        }
