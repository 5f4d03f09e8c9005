"""A choice of values to recompute, and its peak memory, found by simulating the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlet.planning.recompute.problem import Problem


@dataclass(frozen=True)
class RecomputeChoice:
    """values: to recompute
    work:   multiply-accumulates of recomputing them
    bound:  the work that any other choice needs at least; None: nothing is proven
    peak:   bytes that the model needs
    """

    values: frozenset[int]
    work: int
    bound: int | None
    peak: int

    @property
    def gap(self) -> float | None:
        """The share of the work that might be saved; 0 for a proven optimum, None for a guess."""
        if self.bound is None:
            return None
        return 1 - self.bound / self.work if self.work else 0.0


def peak_bytes(problem: Problem, chosen: frozenset[int], enough: int | None = None) -> int:
    """Peak bytes of a step that recomputes these values. It may stop at the first level of at least
    `enough` bytes and return that."""
    worst = 0
    for level in MemoryModel(problem, chosen).levels():
        worst = max(worst, level)
        if enough is not None and worst >= enough:
            break
    return worst


class MemoryModel:
    """made: the stage in which each value is recomputed; kept: the values that stay from the
    forward pass; last: the last stage that needs each value, or -1."""

    def __init__(self, problem: Problem, chosen: frozenset[int]) -> None:
        self.problem = problem
        values, count = problem.values, len(problem.moments)
        first, last = [count] * len(values), [-1] * len(values)
        for t, moment in enumerate(problem.moments):
            for k in moment.reads:
                first[k], last[k] = min(first[k], t), t
        for k in reversed(range(len(values))):
            if k in chosen and first[k] < count:
                for i in values[k].inputs:
                    first[i], last[i] = min(first[i], first[k]), max(last[i], first[k])
        self.last = last
        self.made = {k: first[k] for k in chosen if first[k] < count}
        self.kept = [k for k in range(len(values)) if k not in chosen and last[k] >= 0]

    def levels(self) -> Iterator[int]:
        """Bytes alive, moment by moment."""
        values, moments = self.problem.values, self.problem.moments
        arrivals = sorted((values[k].leaves, values[k].size) for k in self.kept)[::-1]
        held = 0
        for t, level in enumerate(self.problem.forward):
            while arrivals and arrivals[-1][0] <= t:
                held += arrivals.pop()[1]
            yield level + held
        held = sum(values[k].size for k in self.kept)
        making: list[list[int]] = [[] for _ in moments]
        for k in sorted(self.made):
            making[self.made[k]].append(k)
        dying: list[list[int]] = [[] for _ in moments]
        for k in (*self.kept, *self.made):
            dying[self.last[k]].append(k)
        for t, moment in enumerate(moments):
            yield moment.before + held
            gone = set()
            for at, k in enumerate(making[t]):
                yield moment.between + held + values[k].size + values[k].transient
                held += values[k].size
                freed = self.freed(t, k, making[t][at + 1 :])
                held -= sum(values[i].size for i in freed)
                gone.update(freed)
            yield moment.during + held
            held -= sum(values[k].size for k in dying[t] if k not in gone)

    def freed(self, t: int, k: int, later: list[int]) -> list[int]:
        """The inputs of k that nobody needs once k has been made in stage t, before `later`."""
        values, reads = self.problem.values, self.problem.moments[t].reads
        return [
            i
            for i in values[k].inputs
            if self.last[i] == t
            and i not in reads
            and all(i not in values[j].inputs for j in later)
        ]
