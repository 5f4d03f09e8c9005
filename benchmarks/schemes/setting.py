"""A task, and how much of it is measured."""

from __future__ import annotations

from dataclasses import dataclass

from int8.task import Task

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Setting:
    """rates, shares: of the contribution analysis
    validated, tested: runs of each validation and test subject
    random: so many random schemes show whether gains add up; 0: none
    first: rates that every scheme of the table tries first
    ranks: of LoRA, of which the validation part chooses one
    searched: precisions in which gains are measured, and schemes searched
    """

    task: Task
    rates: tuple[float, ...] = RATES
    shares: tuple[float, ...] = SHARES
    validated: int = 1
    tested: int = 2
    random: int = 0
    first: tuple[float, ...] = (0.01, 0.03, 0.1)
    ranks: tuple[int, ...] = (1, 2, 4)
    searched: tuple[str, ...] = ("float32", "int8")
