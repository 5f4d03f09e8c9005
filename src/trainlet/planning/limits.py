"""Checks whether a program fits its device, and recomputes values where that makes it fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from trainlet.errors import TargetError
from trainlet.ir.roles import FEATURES
from trainlet.ir.storage import storage
from trainlet.planning.place import plan_apply, plan_graph
from trainlet.planning.program import APPLY, Program, Stage, training_stages
from trainlet.planning.recompute.budget import PlanFunction, fit_budget, least_arena
from trainlet.planning.recompute.solver_choice import have_solver
from trainlet.planning.report import ProgramChoice, label, peak
from trainlet.planning.target import Target
from trainlet.progress import stage

AnyProgram = TypeVar("AnyProgram", bound=Program)
PLANNED = (
    ". The error's choices() plans them and says which fit; on the command line, "
    "trainlet plan --choices"
)


class Alternatives(Protocol):
    """What other options of a program would need."""

    def hints(self) -> Sequence[str]:
        """Options that need less, as they are written in Python; nothing is planned."""
        ...

    def fitting(self) -> tuple[ProgramChoice, ...]:
        """Options that fit, each planned."""
        ...


@dataclass(frozen=True)
class Limits:
    """Bytes that a program may use, None for no limit; the RAM holds the reserved stack too."""

    ram: int | None
    flash: int | None
    stack: int = 0

    @staticmethod
    def of(target: Target, max_ram: int | None = None) -> Limits:
        """The target's, or less RAM if `max_ram` says so."""
        given = [size for size in (target.ram, max_ram) if size is not None]
        return Limits(min(given, default=None), target.flash, target.stack)

    def admit(self, program: Program) -> bool:
        """Whether a program fits, the reserved stack included, code in Flash left out."""
        return self.allow(*needed(program))

    def allow(self, ram: int, flash: int) -> bool:
        """Whether `ram` and `flash` bytes fit."""
        pairs = (ram, self.ram), (flash, self.flash)
        return all(limit is None or need <= limit for need, limit in pairs)


def needed(program: Program) -> tuple[int, int]:
    """RAM with the reserved stack, and Flash without code, in bytes."""
    initial = sum(n.type.nbytes for n in program.params if not storage(n).delta)
    ram = program.arena_bytes + program.state_bytes + program.target.stack
    return ram, program.constant_bytes + initial


def fit_target(
    program: AnyProgram,
    limits: Limits,
    max_recompute: float | None,
    planner: PlanFunction = plan_graph,
) -> AnyProgram:
    """The program itself if it needs no more RAM than there is; else one that makes a part of its
    forward pass again, for the least work that will do, or that comes closest."""
    ram, _ = needed(program)
    if limits.ram is None or ram <= limits.ram or max_recompute is None:
        return program
    if program.arena_bytes > program.plan.arena:  # the state, or `apply`, sets the arena
        return program
    arena = limits.ram - (ram - program.arena_bytes)
    stage("recompute")
    found = fit_budget(program.graph, program.plan, arena, max_recompute, planner)
    if found is None:
        return program
    apply = program.stages.get(APPLY)
    if apply is not None:
        apply = Stage(apply.graph, plan_apply(apply.graph, found.plan))
    front = program.stages.get(FEATURES)
    stages = training_stages(Stage(found.graph, found.plan), apply, front)
    return replace(program, stages=stages, recomputation=found.recomputation)


def check_fits(program: Program, limits: Limits, others: Alternatives | None = None) -> None:
    """Raise TargetError unless the program fits; it says what is large, and what needs less."""
    if limits.admit(program):
        return
    (ram, flash), target = needed(program), program.target
    over = [
        f"{what} needs {need:,} bytes, {need - limit:,} more than its {limit:,}"
        for what, need, limit in (("RAM", ram, limits.ram), ("Flash", flash, limits.flash))
        if limit is not None and need > limit
    ]
    arena = None if limits.ram is None else limits.ram - (ram - program.arena_bytes)
    less = listed(others.hints() if others else ())
    _, alive = peak(program.plan)
    largest = ", ".join(f"{label(n)} {n.type} {program.plan.size[n]:,}" for n in alive[:4])
    raise TargetError(
        f"the program does not fit {target.name}: {'; '.join(over)} "
        f"(arena {program.arena_bytes:,}, trained parameters and state {program.state_bytes:,}, "
        f"reserved stack {target.stack:,}). {_recomputing(program, arena)}"
        f"Largest at the peak: {largest}. These need less: {less}smaller input or network, or a "
        f"larger target{PLANNED if others else ''}",
        others.fitting if others else tuple,
    )


def _recomputing(program: Program, arena: int | None) -> str:
    """What recomputation did, or cannot do, where the arena may have `arena` bytes."""
    done = program.recomputation
    if done is None:
        least = least_arena(program.graph, program.plan)
        hopeless = arena is not None and arena < least <= program.arena_bytes
        return f"Recomputation cannot lower the arena below {least:,}. " if hopeless else ""
    total = program.macs_forward + program.macs_backward
    times = (total + program.macs_recomputed) / max(total, 1)
    better = "" if have_solver() else "; pip install 'trainlet[planning]' may find a better one"
    return (
        f"This is the least RAM found with recomputation: the arena would be "
        f"{done.arena_without:,} without it; {times:.2f} x the multiply-accumulates{better}. "
    )


def listed(hints: Sequence[str]) -> str:
    """Options that need less, as the first words of a list in an error."""
    return f"{', '.join(hints)}, or a " if hints else "a "
