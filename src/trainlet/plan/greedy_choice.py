"""What a choice of values to make again needs; and a greedy choice, where there is no solver."""

from __future__ import annotations

from trainlet.plan.rematerialize import Choice
from trainlet.plan.stages import Problem

REACH = 12
"""So many neighbouring values are tried together at most."""


def peak_bytes(problem: Problem, chosen: frozenset[int]) -> int:
    """Bytes of the worst moment of a step that makes these values again."""
    return _Walk(problem, chosen).peak()


def greedy_choice(problem: Problem, budget: int, macs: int) -> Choice:
    """Neighbouring values are added, most bytes won for their work first, until the peak is within
    `budget` or nothing helps; at most `macs` extra multiply-accumulates."""
    chosen: frozenset[int] = frozenset()
    peak = peak_bytes(problem, chosen)
    while peak > budget:
        better = [
            ((peak - lower) / (1 + _work(problem, more)), sorted(more), lower)
            for more in _runs(problem, chosen)
            if _macs(problem, chosen | more) <= macs
            and (lower := peak_bytes(problem, chosen | more)) < peak
        ]
        if not better:
            break
        _, more, peak = max(better)
        chosen |= frozenset(more)
    return Choice(chosen, _work(problem, chosen), None, peak)


def _runs(problem: Problem, chosen: frozenset[int]) -> list[frozenset[int]]:
    """What may be added at once: values that stand next to each other."""
    free = [k for k, v in enumerate(problem.values) if v.nodes and k not in chosen]
    return [
        frozenset(free[a : a + length])
        for length in range(1, min(REACH, len(free)) + 1)
        for a in range(len(free) - length + 1)
    ]


def _work(problem: Problem, chosen: frozenset[int]) -> int:
    return sum(problem.values[k].work for k in chosen)


def _macs(problem: Problem, chosen: frozenset[int]) -> int:
    return sum(problem.values[k].macs for k in chosen)


class _Walk:
    """A step, moment by moment."""

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

    def peak(self) -> int:
        values = self.problem.values
        levels = [
            level + sum(values[k].size for k in self.kept if values[k].leaves <= t)
            for t, level in enumerate(self.problem.forward)
        ]
        alive = set(self.kept)
        for t in range(len(self.problem.moments)):
            levels.append(self._stage(t, alive))
            alive = {k for k in alive if self.last[k] > t}
        return max(levels)

    def _stage(self, t: int, alive: set[int]) -> int:
        """The worst moment of a stage; `alive` gains what is made in it."""
        values, moment = self.problem.values, self.problem.moments[t]
        held = sum(values[k].size for k in alive)
        worst = moment.before + held
        making = sorted(k for k, at in self.made.items() if at == t)
        for k in making:
            worst = max(worst, moment.between + held + values[k].size + values[k].transient)
            held += values[k].size
            alive.add(k)
            for i in values[k].inputs:
                awaited = i in moment.reads or any(i in values[j].inputs for j in making if j > k)
                if self.last[i] == t and not awaited:
                    held -= values[i].size
                    alive.discard(i)
        return max(worst, moment.during + held)
