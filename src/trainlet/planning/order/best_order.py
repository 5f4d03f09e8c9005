"""The order of a graph with the lowest peak, and a bound that no order beats.

The greedy order is the beginning.  Where it is highest, the steps around are ordered anew, in ever
wider stretches, as long as that helps; no result is worse than the greedy one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainlet.ir.graph import Graph, NodeOrder
from trainlet.planning.liveness import Liveness
from trainlet.planning.order import constraint
from trainlet.planning.order.cut import bound_of_every_order
from trainlet.planning.order.schedule import schedule
from trainlet.planning.order.steps import Steps, steps_of
from trainlet.planning.order.stretch import Answer, Stretch, search, stretch_of

Solve = Callable[[Steps, Stretch, int, int], Answer]


@dataclass(frozen=True)
class Effort:
    """reach:  how many steps before the moment of the peak, and after it, are reordered
    solve:  how a stretch is ordered: its steps, the bytes to get below, the bytes that any
            order needs
    enough: an order whose peak is at most 1/enough above the bound is as good as one at the
            bound
    """

    reach: tuple[int, ...]
    solve: Solve
    enough: int


@dataclass(frozen=True)
class Found:
    """peak:  bytes alive at the highest moment of the order
    bound: no order of the graph has a lower peak
    """

    order: NodeOrder
    peak: int
    bound: int


def find_order(graph: Graph, effort: str = "greedy") -> Found:
    """The greedy order, or a better one: "greedy" looks for it quickly, "optimal" as long as it
    takes to prove that there is none, within limits that no machine's speed changes.
    """
    liveness = Liveness(graph)
    greedy = schedule(graph, liveness)
    peak = liveness.buffers(greedy).lower_bound
    steps = steps_of(graph, greedy)
    first = tuple(range(len(steps.nodes)))
    bound = bound_of_every_order(steps, first)
    best, bound = _improved(steps, first, bound, EFFORTS[effort])
    order = steps.order(best)
    lower = liveness.buffers(order).lower_bound
    return Found(order, lower, bound) if lower < peak else Found(greedy, peak, bound)


def _improved(
    steps: Steps, order: tuple[int, ...], bound: int, effort: Effort
) -> tuple[tuple[int, ...], int]:
    """A better order, and a better bound where a search of all orders has proven one."""
    while True:
        levels = steps.levels(order)
        limit = max(levels, default=0)
        if limit <= bound + bound // effort.enough:
            return order, bound
        top = levels.index(limit)
        for reach in effort.reach:
            start, stop = max(top - reach, 0), min(top + reach + 1, len(order))
            answer = effort.solve(steps, stretch_of(steps, order, start, stop), limit, bound)
            if answer.steps is not None:
                order = (*order[:start], *answer.steps, *order[stop:])
                break
            if stop - start == len(order):
                return order, limit if answer.proven else bound
        else:
            return order, bound


def _quickly(steps: Steps, part: Stretch, limit: int, bound: int) -> Answer:
    return search(steps, part, limit, states=6_000)


def _thoroughly(steps: Steps, part: Stretch, limit: int, bound: int) -> Answer:
    """By a long search; where that gives up and OR-Tools is there, by a constraint programme."""
    answer = search(steps, part, limit, states=60_000)
    given_up = answer.steps is None and not answer.proven
    if given_up and len(part.steps) <= constraint.MOST_STEPS and constraint.available():
        return constraint.solve(steps, part, limit, bound)
    return answer


EVERYTHING = 1 << 30
EFFORTS = {
    "greedy": Effort((12, 24, 48, 96), _quickly, enough=1_000),
    "optimal": Effort((12, 24, 48, 96, EVERYTHING), _thoroughly, enough=100_000),
}
