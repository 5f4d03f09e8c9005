"""A bound that no order beats: bytes that must be alive while a node runs, by a minimum cut.

When a node runs, a set of nodes has run before it: all that it needs, none that needs it.  Of all
such sets the one with the fewest live bytes is a minimum cut (Picard, 1976: minimum closure),
since a value costs its size where its maker is in the set and one of its readers is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from trainlet.planning.order.steps import Steps, members

SOURCE, SINK = -1, -2
INFINITE = 1 << 62
Arcs = dict[int, dict[int, int]]


def bound_of_every_order(steps: Steps, order: Sequence[int]) -> int:
    """The largest need of any step.  This order tells which steps cannot be the largest."""
    best = 0
    levels = steps.levels(order)
    for level, n in sorted(zip(levels, order, strict=True), reverse=True):
        if level <= best:
            break
        best = max(best, need(steps, n))
    return best


def need(steps: Steps, n: int) -> int:
    """The fewest bytes that can be alive while step n runs, its result included."""
    result = steps.made[n]
    size = 0 if result is None else steps.values[result].size
    least = least_alive(steps, n, 0) + size
    for v in steps.in_place[n]:
        others = steps.values[v].readers & ~(1 << n)
        if not others & steps.later[n]:
            least = min(least, least_alive(steps, n, others))
    return least + steps.scratch[n]


def least_alive(steps: Steps, n: int, early: int) -> int:
    """The fewest bytes alive before step n runs, where the steps `early` have run too."""
    done = steps.earlier[n] | early
    for k in members(early):
        done |= steps.earlier[k]
    never = steps.later[n] | 1 << n
    free = (1 << len(steps.nodes)) - 1 & ~done & ~never
    arcs: Arcs = {SOURCE: {}, SINK: {}}
    for k in members(free):
        arcs[k] = dict.fromkeys(members(steps.first[k] & free), INFINITE)
    alive = 0
    for v, value in enumerate(steps.values):
        made = value.maker is None or done >> value.maker & 1
        if not made and never >> (value.maker or 0) & 1:
            continue
        start = SOURCE if made or value.maker is None else value.maker
        if value.readers & never:
            alive += value.size if start == SOURCE else 0
            if start != SOURCE:
                arcs[start][SINK] = arcs[start].get(SINK, 0) + value.size
        elif waiting := value.readers & free:
            node = len(steps.nodes) + v
            arcs[start][node] = value.size
            arcs[node] = dict.fromkeys(members(waiting), INFINITE)
    return alive + maximum_flow(arcs)


def maximum_flow(arcs: Arcs) -> int:
    """From SOURCE to SINK (Dinic, 1970).  `arcs` becomes what is left of the capacities."""
    for start in list(arcs):
        for end in arcs[start]:
            arcs[end].setdefault(start, 0)
    flow = 0
    while SINK in (level := _levels(arcs)):
        unused = {n: iter(arcs[n]) for n in arcs}
        path = [SOURCE]
        while path:
            if path[-1] == SINK:
                steps = list(pairwise(path))
                amount = min(arcs[a][b] for a, b in steps)
                for a, b in steps:
                    arcs[a][b] -= amount
                    arcs[b][a] += amount
                flow += amount
                full = next(k for k, (a, b) in enumerate(steps) if not arcs[a][b])
                del path[full + 1 :]
                continue
            here = path[-1]
            ahead = (
                end for end in unused[here] if arcs[here][end] and level.get(end) == level[here] + 1
            )
            end = next(ahead, None)
            path.append(end) if end is not None else path.pop()
    return flow


def _levels(arcs: Arcs) -> dict[int, int]:
    """How many arcs with room lie between the source and each node that can be reached."""
    level = {SOURCE: 0}
    waiting = deque([SOURCE])
    while waiting:
        here = waiting.popleft()
        for end, room in arcs[here].items():
            if room and end not in level:
                level[end] = level[here] + 1
                waiting.append(end)
    return level
