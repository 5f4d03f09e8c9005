"""A stretch of steps as a constraint programme for OR-Tools' CP-SAT, where the search gives up.

A step is a moment, a value an interval from its maker to its last reader, and the arena's bytes a
cumulative resource, as for
jobs that share a machine.
"""

from __future__ import annotations

from typing import Any

from trainlet.errors import ToolchainError
from trainlet.planning.buffers import ALIGN
from trainlet.planning.order.steps import Steps, StepValue, members
from trainlet.planning.order.stretch import Answer, Stretch

MISSING = "a constraint programme needs OR-Tools: pip install 'trainlet[planning]'"
WORK = 4.0
"""Limit on the work of CP-SAT, in its deterministic time, which does not depend on the machine's
speed."""
MOST_STEPS = 200
"""Most steps of a stretch: for longer ones CP-SAT takes longer to build the model than its work
limit allows."""


def available() -> bool:
    """Whether OR-Tools is installed."""
    return cp_sat() is not None


def cp_sat() -> Any:
    """The module of CP-SAT; None where OR-Tools is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    return cp_model


def solve(steps: Steps, part: Stretch, limit: int, bound: int) -> Answer:
    """The order of the stretch whose highest level is lowest, if that is below `limit` bytes.

    bound: no order needs fewer bytes.  Raises ToolchainError where OR-Tools is not installed.
    """
    cp_model = cp_sat()
    if cp_model is None:
        raise ToolchainError(MISSING)
    programme = _Programme(cp_model.CpModel(), steps, part, limit, bound)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = WORK
    status = solver.solve(programme.model)
    proven = status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(None, proven)
    when = {n: solver.value(t) for n, t in programme.when.items()}
    return Answer(tuple(sorted(when, key=lambda n: when[n])), proven)


class _Programme:
    """The CP-SAT model. Its variables are when each step runs, when each value dies, and which
    result takes over which storage."""

    def __init__(self, model: Any, steps: Steps, part: Stretch, limit: int, bound: int) -> None:
        self.model, self.steps, self.whole, self.run = model, steps, part.whole, part.run
        self.moments = len(part.steps)
        self.when = {n: self.moment(n) for n in part.steps}
        self.model.add_all_different(list(self.when.values()))
        for place, n in enumerate(part.steps):
            self.model.add_hint(self.when[n], place)
            for earlier in members(steps.first[n] & self.whole):
                self.model.add(self.when[earlier] < self.when[n])
        self.intervals: list[Any] = []
        self.bytes: list[int] = []
        self.lent: dict[int, list[Any]] = {n: [] for n in part.steps}
        fixed = part.alive
        for k, value in enumerate(steps.values):
            taken_over = self.old(value) and self.ends(value)
            fixed -= value.size if taken_over else 0
            if taken_over or self.made_here(value):
                self.add_value(k, value)
        for n, lent in self.lent.items():
            self.model.add_at_most_one(lent)
            if steps.scratch[n]:
                self.add(self.when[n], self.when[n] + 1, steps.scratch[n])
        low, high = -(-(bound - fixed) // ALIGN), (limit - fixed) // ALIGN - 1
        peak = self.model.new_int_var(min(max(low, 0), max(high, 0)), max(high, 0), "peak")
        self.model.add_cumulative(self.intervals, [b // ALIGN for b in self.bytes], peak)
        self.model.minimize(peak)

    def moment(self, n: int) -> Any:
        earlier = (self.steps.earlier[n] & self.whole).bit_count()
        later = (self.steps.later[n] & self.whole).bit_count()
        return self.model.new_int_var(earlier, self.moments - 1 - later, f"when{n}")

    def made_here(self, value: StepValue) -> bool:
        return value.maker is not None and bool(self.whole >> value.maker & 1)

    def old(self, value: StepValue) -> bool:
        """Whether the value is alive when the stretch begins."""
        made = value.maker is None or self.run >> value.maker & 1
        return bool(made and value.readers & ~self.run)

    def ends(self, value: StepValue) -> bool:
        """Whether its last reader is in the stretch."""
        return not value.readers & ~self.run & ~self.whole

    def add_value(self, k: int, value: StepValue) -> None:
        maker = value.maker
        begin = self.when[maker] if maker is not None and self.made_here(value) else 0
        if not self.ends(value):
            self.add(begin, self.moments, value.size)
            return
        end = self.model.new_int_var(0, self.moments, f"end{k}")
        if self.made_here(value):
            self.model.add(end >= begin + 1)
        readers = list(members(value.readers & self.whole))
        for n in readers:
            if k not in self.steps.in_place[n]:
                self.model.add(end >= self.when[n] + 1)
                continue
            lends = self.model.new_bool_var(f"lends{k}to{n}")
            self.lent[n].append(lends)
            self.model.add(end >= self.when[n] + 1 - lends)
            for other in readers:
                if other != n:
                    self.model.add(self.when[other] < self.when[n]).only_enforce_if(lends)
        self.add(begin, end, value.size)

    def add(self, begin: Any, end: Any, size: int) -> None:
        length = self.model.new_int_var(0, self.moments, "")
        self.intervals.append(self.model.new_interval_var(begin, length, end, ""))
        self.bytes.append(size)
