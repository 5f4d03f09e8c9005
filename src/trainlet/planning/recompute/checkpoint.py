"""Which links of a chain to run twice, so that less is kept for the backward pass: the optimum.

A chain of links x[k+1] = f_k(x[k]).  A link is either *kept*, so that what its gradient reads stays
from the forward pass on, or part of a *segment*, of which only the input stays: just before the
gradients of a segment are due it is run once more, and everything its gradients read is then there
at once.  No link runs more than twice.  The model of costs and sizes is rotor's (Beaumont et al.,
RR-9302), whose recursion allows more runs and counts bytes in 500 slots; here nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainlet.errors import PlanError


@dataclass(frozen=True)
class ChainStage:
    """A layer of a chain.

    macs:   work of a run, multiply-accumulates or any other unit
    input:  bytes of its input
    saved:  bytes that its gradient reads
    shared: part of `saved` that is the input itself
    work:   bytes beside all that is kept while it runs forwards, or while its gradient does
    """

    macs: int
    input: int
    saved: int
    shared: int = 0
    work: int = 0


@dataclass(frozen=True)
class Checkpoints:
    """segments: (first, past the last) link of each that runs twice; peak: bytes of the worst
    moment; extra: work of the second runs."""

    segments: tuple[tuple[int, int], ...]
    peak: int
    extra: int


def measure(chain: Sequence[ChainStage], segments: Sequence[tuple[int, int]]) -> Checkpoints:
    """Peak and extra work of segments, which follow each other and may leave links between them."""
    used, peak, k = 0, 0, 0
    for first, end in (*segments, (len(chain), len(chain))):
        for link in chain[k:first]:
            used += link.saved
            peak = max(peak, used + link.work)
        if first < end:
            used += chain[first].input
            peak = max(peak, used + _need(chain, first, end))
        k = end
    extra = sum(link.macs for first, end in segments for link in chain[first:end])
    return Checkpoints(tuple(segments), peak, extra)


def uniform(links: int, segments: int) -> list[tuple[int, int]]:
    """Segments of equal length; the last one is kept, for its gradients are due at once."""
    bounds = [round(k * links / segments) for k in range(segments)]
    return [pair for pair in pairwise(bounds) if pair[0] < pair[1]]


def cheapest(chain: Sequence[ChainStage], budget: int) -> Checkpoints | None:
    """The fewest extra multiply-accumulates whose peak is within `budget` bytes; None if none is.

    Dynamic programming over the links, from first to last: of all ways to reach a link, those
    that no other beats in both the bytes that they hold and their extra work.
    """
    offers: list[list[_Front]] = [[] for _ in range(len(chain) + 1)]
    fronts = [_Front.begin()]
    for first, link in enumerate(chain):
        here = fronts[first]
        offers[first + 1].append(here.step(link.saved, budget - link.saved - link.work, 0, ~first))
        need, work, saved = 0, 0, -link.shared
        for end in range(first + 1, len(chain) + 1):
            last = chain[end - 1]
            saved, work = saved + last.saved, work + last.macs
            need = max(need, saved + last.work, last.work)
            if link.input + need > budget:
                break
            offers[end].append(here.step(link.input, budget - link.input - need, work, first))
        fronts.append(_Front.best_of(offers[first + 1]))
    return _trace(chain, fronts)


def smallest(chain: Sequence[ChainStage], extra: int) -> Checkpoints:
    """The least peak that at most `extra` more multiply-accumulates allow.  Raises PlanError
    where extra < 0."""
    if extra < 0:
        raise PlanError(f"{extra} extra multiply-accumulates; allowed: 0 or more")
    best = measure(chain, ())
    low, high = 0, best.peak
    while low < high:
        middle = (low + high) // 2
        found = cheapest(chain, middle)
        if found is not None and found.extra <= extra:
            best, high = found, min(middle, found.peak)
        else:
            low = middle + 1
    return best


def _need(chain: Sequence[ChainStage], first: int, end: int) -> int:
    """Bytes beside its input and what earlier links keep, while a segment runs or its gradients
    do."""
    saved, most = -chain[first].shared, 0
    for link in chain[first:end]:
        saved += link.saved
        most = max(most, saved + link.work, link.work)
    return most


@dataclass(frozen=True)
class _Front:
    """Ways to reach a link: bytes held (rising), extra work (falling), where the last part began
    (~first if its link is kept), and the way's place in the front there."""

    held: np.ndarray
    extra: np.ndarray
    first: np.ndarray
    place: np.ndarray

    @staticmethod
    def begin() -> _Front:
        zero = np.zeros(1, np.int64)
        return _Front(zero, zero, zero, zero)

    def step(self, more: int, room: int, work: int, first: int) -> _Front:
        """All ways that hold at most `room`, one part further."""
        count = int(np.searchsorted(self.held, room, "right"))
        return _Front(
            self.held[:count] + more,
            self.extra[:count] + work,
            np.full(count, first),
            np.arange(count),
        )

    @staticmethod
    def best_of(fronts: Sequence[_Front]) -> _Front:
        held, extra, first, place = (
            np.concatenate([getattr(f, name) for f in fronts])
            for name in ("held", "extra", "first", "place")
        )
        order = np.lexsort((extra, held))
        least = np.minimum.accumulate(extra[order])
        unbeaten = order[np.diff(least, prepend=np.iinfo(np.int64).max) < 0]
        return _Front(held[unbeaten], extra[unbeaten], first[unbeaten], place[unbeaten])


def _trace(chain: Sequence[ChainStage], fronts: Sequence[_Front]) -> Checkpoints | None:
    k, segments = len(chain), []
    if not len(fronts[k].held):
        return None
    place = int(np.argmin(fronts[k].extra))
    while k:
        came, place = int(fronts[k].first[place]), int(fronts[k].place[place])
        first = ~came if came < 0 else came
        if came >= 0:
            segments.append((first, k))
        k = first
    return measure(chain, segments[::-1])
