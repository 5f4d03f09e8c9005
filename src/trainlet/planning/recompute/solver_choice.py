"""Which values to recompute, exactly: a mixed-integer program, solved by OR-Tools' CP-SAT.

The constraints are those of Checkmate (Jain et al., MLSys 2020, section 4): R[t,v], value v is
made in stage t; S[t,v], it is there when stage t begins; what is made needs its inputs; memory is
followed through the values made within a stage, and freed with the last reader.  Three choices make
it small: gradients run once, in a given order; a value is kept, or made once more; and it is made
again in the stage that first needs it.
"""

from __future__ import annotations

from typing import Any

from trainlet.errors import ToolchainError
from trainlet.planning.recompute.peak import MemoryModel, RecomputeChoice
from trainlet.planning.recompute.problem import Problem

EFFORT = 10.0
MISSING = "the optimal choice of what to recompute needs OR-Tools: pip install 'trainlet[planning]'"


def have_solver() -> bool:
    """Whether OR-Tools is installed."""
    try:
        import ortools.sat.python.cp_model  # noqa: F401
    except ImportError:
        return False
    return True


def cheapest_choice(
    problem: Problem,
    budget: int,
    macs: int,
    known: RecomputeChoice | None = None,
    effort: float = EFFORT,
) -> RecomputeChoice | None:
    """The least work whose bytes are within `budget`, with at most `macs` extra multiply-
    accumulates; None where there is none, or none was found with this effort (about seconds, but
    the same on every machine).  `known` is a choice to begin with.

    Raises ToolchainError without OR-Tools.
    """
    return _Model(problem, macs, budget).solve(effort, known)


def smallest_choice(
    problem: Problem, macs: int, known: RecomputeChoice | None = None, effort: float = EFFORT
) -> RecomputeChoice | None:
    """The fewest bytes with at most `macs` extra multiply-accumulates, with the least work."""
    found = _Model(problem, macs, None).solve(effort, known)
    if found is None:
        return None
    return _Model(problem, macs, found.peak).solve(effort, found) or found


class _Model:
    """R[t][v] and S[t][v] are variables, or the constants 0 and 1."""

    def __init__(self, problem: Problem, macs: int, budget: int | None) -> None:
        try:
            from ortools.sat.python import cp_model
        except ImportError:
            raise ToolchainError(MISSING) from None
        self.cp: Any = cp_model
        self.model: Any = cp_model.CpModel()
        self.problem, self.minimise = problem, budget is None
        self.budget: Any = budget
        values, count = problem.values, len(problem.moments)
        if budget is None:
            self.budget = self.model.new_int_var(0, _everything(problem), "peak")
        self.free: dict[tuple[int, int, int], Any] = {}
        readers: list[list[int]] = [[] for _ in values]
        for k, v in enumerate(values):
            for i in v.inputs:
                readers[i].append(k)
        self.readers = readers
        self.reads = [
            [t for t, m in enumerate(problem.moments) if k in m.reads] for k in range(len(values))
        ]
        self.S = [[self._there(t, k) for k in range(len(values))] for t in range(count)]
        self.S.append([0] * len(values))
        self.R = [[self._made(t, k) for k in range(len(values))] for t in range(count)]
        for k in range(len(values)):
            self.model.add(sum(row[k] for row in self.R) + self.S[0][k] <= 1)
        for t in range(count):
            self._links(t)
            self._memory(t)
        self._forward()
        self.model.add(self._total([v.macs for v in values]) <= macs)
        self.work = self._total([v.work for v in values])
        self.model.minimize(self.budget if self.minimise else self.work)

    def _window(self, k: int) -> tuple[int, int]:
        """The stages from the first to the last that value k, or what is made of it, may serve."""
        seen, stack, found = {k}, [k], []
        while stack:
            v = stack.pop()
            found += self.reads[v]
            for r in self.readers[v]:
                if r not in seen:
                    seen.add(r)
                    stack.append(r)
        return min(found), max(found)

    def _there(self, t: int, k: int) -> Any:
        return self.model.new_bool_var(f"S{t},{k}") if t <= self._window(k)[1] else 0

    def _made(self, t: int, k: int) -> Any:
        first, last = self._window(k)
        makes = self.problem.values[k].nodes and first <= t <= last
        return self.model.new_bool_var(f"R{t},{k}") if makes else 0

    def _links(self, t: int) -> None:
        """What is there was there or was made; what is made has its inputs and is needed."""
        R, S, reads = self.R[t], self.S[t], self.problem.moments[t].reads
        for k, value in enumerate(self.problem.values):
            self.model.add(self.S[t + 1][k] <= S[k] + R[k])
            for i in value.inputs:
                self.model.add(R[k] <= R[i] + S[i])
            if k in reads:
                self.model.add(S[k] + R[k] >= 1)
            else:
                self.model.add(R[k] <= sum(R[r] for r in self.readers[k]))

    def _memory(self, t: int) -> None:
        moment, values = self.problem.moments[t], self.problem.values
        R, S = self.R[t], self.S[t]
        held = sum(v.size * s for v, s in zip(values, S, strict=True))
        self.model.add(moment.before + held <= self.budget)
        for k, value in enumerate(values):
            if isinstance(R[k], int):
                continue
            need = (value.size + value.transient) * R[k]
            self.model.add(moment.between + held + need <= self.budget)
            held = held + value.size * R[k]
            for i in value.inputs:
                if i not in moment.reads:
                    held = held - values[i].size * self._freed(t, i, k)
        self.model.add(moment.during + held <= self.budget)

    def _freed(self, t: int, i: int, k: int) -> Any:
        """Whether value i goes when k has been made of it in stage t."""
        free = self.model.new_bool_var(f"F{t},{i},{k}")
        self.free[t, i, k] = free
        self.model.add(free <= self.R[t][k])
        self.model.add(free + self.S[t + 1][i] <= 1)
        for later in self.readers[i]:
            if later > k:
                self.model.add(free + self.R[t][later] <= 1)
        return free

    def _forward(self) -> None:
        """What is kept lies beside all that the forward pass needs."""
        values, levels = self.problem.values, self.problem.forward
        for t, level in enumerate(levels):
            kept = [v.size * self.S[0][k] for k, v in enumerate(values) if v.leaves <= t]
            self.model.add(level + sum(kept) <= self.budget)

    def _total(self, weights: list[int]) -> Any:
        return sum(w * row[k] for row in self.R for k, w in enumerate(weights) if w)

    def _suggest(self, known: RecomputeChoice) -> None:
        """Begin with a choice."""
        walk = MemoryModel(self.problem, known.values)
        there, freed = [*walk.kept, *walk.made], set[tuple[int, int, int]]()
        for t, (S, R) in enumerate(zip(self.S, self.R, strict=False)):
            making = sorted(k for k, at in walk.made.items() if at == t)
            alive = {k for k in there if walk.made.get(k, -1) < t <= walk.last[k]}
            for k in range(len(S)):
                for row, set_to in ((S, k in alive), (R, k in making)):
                    if not isinstance(row[k], int):
                        self.model.add_hint(row[k], set_to)
            for at, k in enumerate(making):
                freed.update((t, i, k) for i in walk.freed(t, k, making[at + 1 :]))
        for key, free in self.free.items():
            self.model.add_hint(free, key in freed)

    def solve(self, effort: float, known: RecomputeChoice | None = None) -> RecomputeChoice | None:
        """The best choice found with this effort, or None."""
        if known is not None:
            self._suggest(known)
        solver = self.cp.CpSolver()
        solver.parameters.max_deterministic_time = effort
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        status = solver.solve(self.model)
        if status not in (self.cp.OPTIMAL, self.cp.FEASIBLE):
            return None
        chosen = frozenset(k for row in self.R for k, made in enumerate(row) if solver.value(made))
        work = sum(self.problem.values[k].work for k in chosen)
        bound = round(solver.best_objective_bound)
        if self.minimise:
            bound = None
        peak = solver.value(self.budget) if self.minimise else self.budget
        return RecomputeChoice(chosen, work, bound, peak)


def _everything(problem: Problem) -> int:
    """More bytes than any choice needs."""
    most = max((m.before + m.between + m.during for m in problem.moments), default=0)
    values = sum(v.size + v.transient for v in problem.values)
    return values + max(most, *problem.forward)
