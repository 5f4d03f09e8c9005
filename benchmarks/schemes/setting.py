"""A task, and how much of it is measured."""

from __future__ import annotations

from dataclasses import dataclass, fields

from int8.task import Task

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Setting:
    """precisions: in which the task is measured if nobody says which
    rates, shares: of the contribution analysis
    last: so many layers before the classifier it measures; None: all
    measured: precisions in which it is made; gains of float32 stand for those of another one
    validated, tested: runs of each validation and test subject
    random: so many random schemes show whether gains add up; 0: none
    first: rates that every scheme of the table tries first
    head: the classifier's learning rate is this times that of the other layers
    ranks: of LoRA, of which the validation part chooses one
    smaller: schemes are searched within the RAM of full training divided by these
    equal: and within the RAM of these
    confirmed: so many of the best schemes of a search learn
    """

    task: Task
    precisions: tuple[str, ...] = ("float32", "int8")
    rates: tuple[float, ...] = RATES
    shares: tuple[float, ...] = SHARES
    last: int | None = None
    measured: tuple[str, ...] = ("float32", "int8")
    validated: int = 1
    tested: int = 2
    random: int = 0
    first: tuple[float, ...] = (0.01, 0.03, 0.1)
    head: float = 1.0
    ranks: tuple[int, ...] = (1, 2, 4)
    smaller: tuple[float, ...] = (6, 4.5, 3)
    equal: tuple[str, ...] = ("bias", "sparse1", "sparse2")
    confirmed: int = 4

    def described(self) -> dict[str, str]:
        """What rows depend on; the numbers of the budgets are no part of it."""
        own = ("validated", "tested", "first", "head", "ranks")
        found = {f.name: repr(getattr(self, f.name)) for f in fields(self) if f.name in own}
        return {"task": self.task.name, "epochs": repr(self.task.epochs), **found}
