"""Chooses the values to recompute in a network that is a chain, without a solver.

The chain's optimum (`planning/recompute/checkpoint.py`), with the bytes alive beside the values
counted for each link at its worst moment; so it is the optimum of a model that needs a little more
than the plan will.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainlet.planning.recompute.checkpoint import ChainStage, Checkpoints, cheapest, smallest
from trainlet.planning.recompute.problem import Problem


@dataclass(frozen=True)
class Chain:
    """links[k] makes value spine[k + 1] of spine[k], and side[k + 1], which nothing is made of;
    the last link only reads the last value."""

    spine: tuple[int, ...]
    side: tuple[tuple[int, ...], ...]
    links: tuple[ChainStage, ...]

    def values(self, found: Checkpoints) -> frozenset[int]:
        """The values that the segments recompute."""
        chosen: set[int] = set()
        starts = {first for first, _ in found.segments}
        for first, end in found.segments:
            last = min(end, len(self.spine) - 1)
            for k in range(first + 1, last + 1):
                chosen.update(self.side[k])
                stays = k == end and (k in starts or self.links[k].shared)
                if not stays:
                    chosen.add(self.spine[k])
        return frozenset(chosen)


def as_chain(problem: Problem) -> Chain | None:
    """The problem as a chain; None where a value is made of more than the one before it."""
    values = problem.values
    read = {i for v in values for i in v.inputs}
    spine = [k for k in range(len(values)) if k in read]
    before = dict(zip(spine[1:], spine, strict=False))
    for k, value in enumerate(values):
        wanted = (before[k],) if k in before else ()
        if (k in read and value.inputs != wanted) or (k not in read and len(value.inputs) != 1):
            return None
    if not spine or values[spine[0]].nodes:
        return None
    side = [
        tuple(j for j, v in enumerate(values) if j not in read and v.inputs == (k,)) for k in spine
    ]
    return Chain(tuple(spine), tuple(side), tuple(_links(problem, spine, side)))


def cheapest_in_chain(chain: Chain, budget: int) -> frozenset[int] | None:
    """The values to recompute with the least work within `budget` bytes; None if none is found."""
    found = cheapest(chain.links, budget)
    return None if found is None else chain.values(found)


def smallest_in_chain(problem: Problem, chain: Chain, macs: int) -> frozenset[int]:
    """The values to recompute for the fewest bytes within a limit on multiply-accumulates."""
    values = problem.values
    links = [
        replace(link, macs=sum(values[j].macs for j in _made(chain.spine, chain.side, k)))
        for k, link in enumerate(chain.links)
    ]
    return chain.values(smallest(links, macs))


def _made(spine: tuple[int, ...], side: tuple[tuple[int, ...], ...], k: int) -> list[int]:
    """The values that link k makes."""
    return [spine[k + 1], *side[k + 1]] if k + 1 < len(spine) else []


def _links(problem: Problem, spine: list[int], side: list[tuple[int, ...]]) -> list[ChainStage]:
    values, awaited = problem.values, frozenset().union(*(m.reads for m in problem.moments))
    links = []
    for k, x in enumerate(spine):
        made = _made(tuple(spine), tuple(side), k)
        shared = values[x].size if x in awaited else 0
        aside = [*made[1:], *(side[0] if k == 0 else ())]
        saved = shared + sum(values[j].size for j in aside)
        work = sum(values[j].work for j in made)
        concerned = frozenset((x, *made))
        links.append(
            ChainStage(work, values[x].size, saved, shared, _beside(problem, concerned, x))
        )
    return links


def _beside(problem: Problem, concerned: frozenset[int], x: int) -> int:
    """Most bytes beside kept values while a link runs, or while gradients read what it made."""
    begin = problem.values[x].leaves - 1
    end = max(problem.values[j].leaves for j in concerned)
    transient = max(problem.values[j].transient for j in concerned)
    forward = problem.forward[max(begin, 0) : max(end, begin + 1)]
    backward = [
        max(m.before, m.between + transient, m.during)
        for m in problem.moments
        if m.reads & concerned
    ]
    return max([*forward, *backward], default=0)
