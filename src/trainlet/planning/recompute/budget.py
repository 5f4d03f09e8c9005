"""Fits a step into an arena with as little recomputation as possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ops.op import OPS
from trainlet.passes.recompute import recompute
from trainlet.planning.place import plan_graph
from trainlet.planning.plan import Plan
from trainlet.planning.recompute.greedy_choice import greedy_choice
from trainlet.planning.recompute.in_blocks import MANY
from trainlet.planning.recompute.late_order import late_order
from trainlet.planning.recompute.peak import RecomputeChoice, peak_bytes
from trainlet.planning.recompute.problem import Problem, forward_first, recompute_problem
from trainlet.planning.recompute.solver_choice import cheapest_choice, have_solver, smallest_choice

TRIES = 4
"""How often the budget is lowered because the plan needs more bytes than the model predicted."""
PlanFunction = Callable[[Graph, NodeOrder], Plan]


@dataclass(frozen=True)
class Recomputation:
    """nodes: those that run a second time; late: these, and what only moved behind the forward
    pass; arena_without: bytes of the arena before; gap: the share of the work that a better choice
    might save, 0 for a proven optimum, None where nothing is proven."""

    nodes: tuple[Node, ...]
    late: tuple[Node, ...]
    arena_without: int
    gap: float | None


@dataclass(frozen=True)
class Fitted:
    """A graph, its plan, and what was done to make it fit."""

    graph: Graph
    plan: Plan
    recomputation: Recomputation


def fit_budget(
    graph: Graph, plan: Plan, arena: int, max_recompute: float, planner: PlanFunction = plan_graph
) -> Fitted | None:
    """The least work recomputed whose arena has at most `arena` bytes; if none is found, the
    smallest arena; None if none is smaller than the plan's, or none can be small enough.

    plan: of the graph, made without recomputation.
    max_recompute: limit on multiply-accumulates, as a factor of the step without recomputation.
    """
    extra = int((max_recompute - 1) * sum(OPS[n.op].macs(n) for n in plan.order))
    task = _Task(graph, plan, planner)
    budget = arena if task.floor <= arena else arena + task.relief
    best: Fitted | None = None
    if task.floor > budget:
        return None
    for _ in range(TRIES):
        choice = _cheapest(task.problem, budget, extra)
        if choice is None:
            break
        tried = task.planned(choice)
        if tried.plan.arena <= arena:
            return tried
        best = _smaller(best, tried)
        budget -= tried.plan.arena - arena
    best = _smaller(best, task.planned(_smallest(task.problem, extra)))
    return best if best.plan.arena < plan.arena else None


def least_arena(graph: Graph, plan: Plan) -> int:
    """Bytes that no recomputation gets below: each layer with what it reads, alone."""
    task = _Task(graph, plan, plan_graph)
    return task.floor - task.relief


def _smaller(known: Fitted | None, new: Fitted) -> Fitted:
    return new if known is None or new.plan.arena < known.plan.arena else known


def _cheapest(problem: Problem, budget: int, extra: int) -> RecomputeChoice | None:
    """By the solver, from the greedy choice on; the greedy choice where there is no solver, or too
    many values for it."""
    greedy = greedy_choice(problem, budget, extra)
    known = greedy if greedy.peak <= budget else None
    solved = have_solver() and len(problem.values) <= MANY
    found = cheapest_choice(problem, budget, extra, known) if solved else None
    return min((c for c in (found, known) if c), key=lambda c: c.work, default=None)


def _smallest(problem: Problem, extra: int) -> RecomputeChoice:
    greedy = greedy_choice(problem, 0, extra)
    solved = have_solver() and len(problem.values) <= MANY
    return (smallest_choice(problem, extra, greedy) if solved else None) or greedy


class _Task:
    """A graph whose order has the forward pass first, and what a choice makes of it.

    floor: no choice needs fewer bytes; relief: by how many bytes the model overestimates the plan.
    """

    def __init__(self, graph: Graph, plan: Plan, planner: PlanFunction) -> None:
        self.graph, self.planner, self.without = graph, planner, plan.arena
        self.order = forward_first(graph, plan.order)
        self.problem = recompute_problem(graph, self.order, plan.streamed)
        self.relief = max(peak_bytes(self.problem, frozenset()) - plan.lower_bound, 0)
        values = self.problem.values
        read = (m.during + sum(values[k].size for k in m.reads) for m in self.problem.moments)
        self.floor = max(*self.problem.forward, *read)

    def planned(self, choice: RecomputeChoice) -> Fitted:
        made = recompute(self.graph, self.problem.nodes(choice.values))
        plan = self.planner(made.graph, late_order(made, self.order))
        late = tuple(made.copies.values())
        done = Recomputation(made.twice, late, self.without, choice.gap)
        return Fitted(made.graph, plan, done)
