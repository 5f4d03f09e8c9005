"""A better order: where it is highest, the steps around are ordered anew, as long as that helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainlet.plan.steps import Steps
from trainlet.plan.stretch import Stretch, search, stretch_of

Solve = Callable[[Steps, Stretch, int], tuple[int, ...] | None]
REACH = (12, 24)
"""So many steps before the highest moment, and as many after it, are ordered anew."""


def improve(
    steps: Steps, order: Sequence[int], enough: int = 0, solve: Solve = search, reach=REACH
) -> tuple[int, ...]:
    """An order that is nowhere higher than this one is at its highest; lower if `solve` can.

    enough: bytes at which it stops
    """
    best = tuple(order)
    levels = steps.levels(best)
    while max(levels, default=0) > enough:
        better = next((o for o in _around(steps, best, levels, solve, reach)), None)
        if better is None:
            return best
        best, levels = better, steps.levels(better)
    return best


def _around(steps, order, levels, solve, reach):
    """Orders with fewer highest moments, the nearest first."""
    limit = max(levels)
    top = levels.index(limit)
    for size in reach:
        start, stop = max(top - size, 0), min(top + size + 1, len(order))
        part = stretch_of(steps, order, start, stop)
        found = solve(steps, part, limit)
        if found is not None:
            yield (*order[:start], *found, *order[stop:])
