"""The best order of a stretch of steps, by a search over the sets of steps that can have run."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from trainlet.planning.order.steps import Steps, members


@dataclass(frozen=True)
class Stretch:
    """Steps that stand together in an order.

    steps: in their present order
    start: how many stand before them
    run:   the set of those
    alive: bytes before the first of the stretch runs
    """

    steps: tuple[int, ...]
    start: int
    run: int
    alive: int

    @property
    def whole(self) -> int:
        """The set of its steps."""
        return sum(1 << n for n in self.steps)


@dataclass(frozen=True)
class Answer:
    """steps:  of a stretch, better than they were; None if no better order was found
    proven: no order of the stretch is better than these, or than the old one
    """

    steps: tuple[int, ...] | None
    proven: bool


def stretch_of(steps: Steps, order: Sequence[int], start: int, stop: int) -> Stretch:
    """The steps from `start` to `stop` of an order."""
    run, alive = 0, sum(v.size for v in steps.values if v.maker is None and v.readers)
    for n in order[:start]:
        alive += steps.growth(n, run)[1]
        run |= 1 << n
    return Stretch(tuple(order[start:stop]), start, run, alive)


def search(steps: Steps, part: Stretch, limit: int, states: int) -> Answer:
    """The order of the stretch whose highest level is lowest, if that is below `limit` bytes.

    What was reached with the fewest bytes goes on first, so the first order to end is the best.
    A step that needs no more than was needed before, and leaves no more alive, runs at once: live
    bytes are submodular, so no step that follows needs more because it ran.  The search gives up
    after so many sets of steps as `states` says.
    """
    tie, whole = count(), part.whole
    following = {n: list(members(steps.next[n] & whole)) for n in part.steps}
    first, moves = steps.first, _Moves(steps, part)
    ready = [n for n in part.steps if not first[n] & ~part.run]
    reached: list[tuple[int, int, int, int, list[int], Any]] = [
        (0, next(tie), part.run, part.alive, ready, None)
    ]
    closed: set[int] = set()
    while reached and len(closed) < states:
        peak, _, run, alive, before, path = heapq.heappop(reached)
        if run in closed:
            continue
        ready = _ready(before, path, following, first, run)
        if not ready:
            return Answer(_unrolled(path), True)
        closed.add(run)
        for top, left, n in moves.of(ready, run, alive, peak):
            after = run | 1 << n
            if top < limit and after not in closed:
                entry = max(peak, top), -next(tie), after, left, ready, (path, n)
                heapq.heappush(reached, entry)
    return Answer(None, not reached)


def _ready(
    before: list[int], path: Any, following: Mapping[int, list[int]], first: Sequence[int], run: int
) -> list[int]:
    """What can run after the last step of a path; `before`: what could run before it."""
    if path is None:
        return before
    _, last = path
    freed = (n for n in following[last] if not first[n] & ~run)
    return [*(n for n in before if n != last), *freed]


class _Moves:
    """What the steps of a stretch cost; each is computed once for all sets of steps that have run
    and in which those that matter to it are the same."""

    def __init__(self, steps: Steps, part: Stretch) -> None:
        self.steps, self.watched = steps, steps.watched
        self.known: dict[int, dict[int, tuple[int, int]]] = {n: {} for n in part.steps}

    def of(self, ready: list[int], run: int, alive: int, peak: int) -> list[tuple[int, int, int]]:
        """Each step that can run next: bytes alive while it runs, bytes alive after it, and the
        step."""
        moves: list[tuple[int, int, int]] = []
        for n in ready:
            known, key = self.known[n], run & self.watched[n]
            if key not in known:
                known[key] = self.steps.growth(n, run)
            during, after = known[key]
            if alive + during <= peak and after <= 0:
                return [(alive + during, alive + after, n)]
            moves.append((alive + during, alive + after, n))
        return moves


def _unrolled(path: Any) -> tuple[int, ...]:
    order: list[int] = []
    while path is not None:
        path, n = path
        order.append(n)
    return tuple(reversed(order))
