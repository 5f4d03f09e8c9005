"""Chooses the values to recompute without a solver: greedily, and for a chain by its optimum."""

from __future__ import annotations

from trainlet.planning.recompute.chain_choice import as_chain, cheapest_in_chain, smallest_in_chain
from trainlet.planning.recompute.in_blocks import MANY, block_choices
from trainlet.planning.recompute.peak import RecomputeChoice, peak_bytes
from trainlet.planning.recompute.problem import Problem

LENGTHS = (1, 2, 3, 4, 6, 8, 12)
"""How many neighbouring values are tried together."""


def greedy_choice(problem: Problem, budget: int, macs: int) -> RecomputeChoice:
    """A choice within `budget` bytes, or as close as this comes, with at most `macs` extra
    multiply-accumulates."""
    if len(problem.values) > MANY:
        return _pruned(
            problem, _best(problem, block_choices(problem, budget, macs), budget), budget
        )
    found = [_grown(problem, budget, macs)]
    chain = as_chain(problem)
    if chain is not None:
        optimum = cheapest_in_chain(chain, budget)
        for values in (optimum, smallest_in_chain(problem, chain, macs)):
            if values is not None and _macs(problem, values) <= macs:
                found.append(values)
    choices = [_pruned(problem, values, budget) for values in found]
    return min(choices, key=lambda c: (max(c.peak, budget), c.work))


def _best(problem: Problem, found: list[frozenset[int]], budget: int) -> frozenset[int]:
    """Within the budget the least work, else the fewest bytes."""
    return min(found, key=lambda c: (max(peak_bytes(problem, c), budget), _work(problem, c)))


def _grown(problem: Problem, budget: int, macs: int) -> frozenset[int]:
    """Neighbouring values are added, most bytes won for their work first, while it helps."""
    chosen: frozenset[int] = frozenset()
    peak = peak_bytes(problem, chosen)
    while peak > budget:
        better = [
            ((peak - lower) / (1 + _work(problem, more)), sorted(more), lower)
            for more in _runs(problem, chosen)
            if _macs(problem, chosen | more) <= macs
            and (lower := peak_bytes(problem, chosen | more, peak)) < peak
        ]
        if not better:
            break
        _, more, peak = max(better)
        chosen |= frozenset(more)
    return chosen


def _pruned(problem: Problem, chosen: frozenset[int], budget: int) -> RecomputeChoice:
    """The choice without values whose recomputation is not needed; those with the most work are
    dropped first."""
    peak = peak_bytes(problem, chosen)
    enough = max(peak, budget)
    for k in sorted(chosen, key=lambda k: -problem.values[k].work):
        lower = peak_bytes(problem, chosen - {k}, enough + 1)
        if lower <= enough:
            chosen, peak = chosen - {k}, lower
    return RecomputeChoice(chosen, _work(problem, chosen), None, peak)


def _runs(problem: Problem, chosen: frozenset[int]) -> list[frozenset[int]]:
    """What may be added at once: values that stand next to each other."""
    free = [k for k, v in enumerate(problem.values) if v.nodes and k not in chosen]
    return [
        frozenset(free[a : a + length]) for length in LENGTHS for a in range(len(free) - length + 1)
    ]


def _work(problem: Problem, chosen: frozenset[int]) -> int:
    return sum(problem.values[k].work for k in chosen)


def _macs(problem: Problem, chosen: frozenset[int]) -> int:
    return sum(problem.values[k].macs for k in chosen)
