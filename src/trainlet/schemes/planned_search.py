"""The scheme that gains most within the RAM, Flash and instructions of a target.

Gains add up; what a compiled program needs does not.  Few schemes are tried in descending order of
their gain, many by bisection.  An estimate skips those that are far too large, and a plan decides
about the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from trainlet.arguments import bytes_of, target_of
from trainlet.compiled import CompiledProgram
from trainlet.errors import TargetError
from trainlet.ir.arguments import whole
from trainlet.ir.scheme import UpdateScheme
from trainlet.planning.target import Target
from trainlet.progress import stage, unheard
from trainlet.schemes.bisection import Bisection
from trainlet.schemes.compiled_cost import CompiledCost
from trainlet.schemes.contribution import Contribution
from trainlet.schemes.knapsack import Additive, Part
from trainlet.schemes.layers import Choice, Layers
from trainlet.schemes.rule import paper_memory

EVERY = 4096
"""So many schemes at most are all candidates; among more the search bisects."""
MARGIN = 0.9
"""A scheme is planned if its estimate is within the budget divided by this, at first; then by the
least ratio of a plan to its estimate so far."""
CONFIRMED = 8


@dataclass(frozen=True)
class Budget:
    """Limits of a program; None: no limit.  ram, flash in bytes, instructions of a step."""

    ram: int | None = None
    flash: int | None = None
    instructions: int | None = None

    def __str__(self) -> str:
        limits = ((self.ram, "bytes of RAM"), (self.flash, "bytes of Flash"),
                  (self.instructions, "instructions a step"))  # fmt: skip
        return " and ".join(f"{n:,} {what}" for n, what in limits if n is not None) or "no limit"


@dataclass(frozen=True)
class Found:
    """A scheme that a search chose.

    accuracy, spread: shares of validation examples that are right, measured with this scheme: the
    mean over the runs and their standard deviation; rate: the learning rate that reached it
    predicted: the sum of the gains of its parts over the head alone
    ram_bytes: planned, with the reserved stack; flash_bytes: without code
    instructions: of a step, None where they have no limit
    planned, considered: how many schemes were planned, of how many that were estimated
    """

    choice: Choice
    scheme: UpdateScheme
    predicted: float
    accuracy: float
    spread: float
    rate: float
    ram_bytes: int
    flash_bytes: int
    instructions: int | None
    planned: int
    considered: int
    program: CompiledProgram


def search(
    measured: Contribution,
    *,
    target: str | Target = "cortex-m7",
    ram: int | None = None,
    flash: int | None = None,
    instructions: int | None = None,
    gains: Additive | None = None,
    confirm: int = CONFIRMED,
) -> Found:
    """The scheme with the largest gain whose compiled program fits.

    measured: what `contribution` returns.
    target: a preset's name or a Target, whose RAM and Flash are limits; ram, flash: smaller ones,
    in bytes; instructions: of a training step, counted on the emulated core.
    gains: of the parts, None for the measured ones; those of a criterion of `criteria` otherwise.
    confirm: so many of the best schemes that fit learn for real, and the best of them is chosen:
    gains of parts are noisy, and do not quite add up.

    Raises TargetError where not even the classifier alone fits; it says what that needs.
    """
    decider = _decider(measured, target, ram, flash, instructions)
    return _search(measured, gains or measured.gains, decider, whole("confirm", confirm, 1))


def check_budget(
    measured: Contribution,
    target: str | Target = "cortex-m7",
    ram: int | None = None,
    flash: int | None = None,
    instructions: int | None = None,
) -> None:
    """Raise TargetError where not even the classifier alone fits; nothing needs to be measured.

    The arguments are those of `search`.
    """
    decider = _decider(measured, target, ram, flash, instructions)
    with unheard():
        if not decider.fits(Choice()):
            raise decider.nothing()


def _decider(
    measured: Contribution, target: Any, ram: Any, flash: Any, instructions: Any
) -> Decider:
    place = target_of(target)
    limits = Budget(
        _least("ram", place.ram, ram), _least("flash", place.flash, flash),
        None if instructions is None else whole("instructions", instructions, 1),
    )  # fmt: skip
    return Decider(measured.cost(place), limits)


def _search(measured: Contribution, gains: Additive, decider: Decider, confirm: int) -> Found:
    cost = decider.cost
    chosen = fitting(cost, gains, decider, confirm)
    if not chosen:
        raise decider.nothing()
    measured.measurements.make(chosen)
    best = max(chosen, key=lambda c: float(measured.accuracy(c).mean()))
    accuracy = measured.accuracy(best)
    return Found(
        best, best.scheme(measured.layers), gains.of(best), float(accuracy.mean()),
        float(accuracy.std()), measured.rate(best), *cost.planned(best),
        decider.counted.get(best), decider.plans, decider.asked, cost.program(best),
    )  # fmt: skip


def first_that_fits(cost: CompiledCost, gains: Additive, limits: Budget) -> Choice:
    """The scheme of the largest sum of gains within the limits, without a measurement.

    Raises TargetError where not even the classifier alone fits.
    """
    decider = Decider(cost, limits)
    found = fitting(cost, gains, decider, 1)
    if not found:
        raise decider.nothing()
    return found[0]


def fitting(cost: CompiledCost, gains: Additive, decider: Decider, many: int) -> list[Choice]:
    """So many of the best schemes that fit, the best first and of equal ones the smaller."""
    parts = useful(gains)
    if _many(cost.layers, parts) > EVERY:
        found = Bisection(cost.layers, gains, decider.fits)
        found.search([cost.added(parts), paper_memory(cost.study.graph, cost.layers)], parts)
        return found.found[:many]
    every = sorted(
        _every(cost.layers, parts), key=lambda c: (-gains.of(c), len(c.shares), c.biases)
    )
    return list(islice(filter(decider.fits, every), many))


def useful(gains: Additive) -> list[Part]:
    """The parts that gain something, and more than every smaller share of the same weight."""
    best: dict[int, float] = {}
    found = []
    for (number, share), gain in sorted(gains.weights.items()):
        if gain > best.get(number, 0):
            best[number] = gain
            found.append((number, share))
    return found


def _many(layers: Layers, parts: Sequence[Part]) -> int:
    total = each = 1
    for number in reversed(range(len(layers.body))):
        each *= 1 + sum(k == number for k, _ in parts)
        total += each
    return total


def _every(layers: Layers, parts: Sequence[Part]) -> Iterator[Choice]:
    for k in range(len(layers.body) + 1):
        reached = range(len(layers.body) - k, len(layers.body))
        options = [[(n, 0.0), *(p for p in parts if p[0] == n)] for n in reached]
        for shares in product(*options):
            yield Choice.of(k, shares)


class Decider:
    """Whether schemes fit a budget: by an estimate if it is clear, else by a plan."""

    def __init__(self, cost: CompiledCost, limits: Budget) -> None:
        self.cost, self.limits, self.plans, self.asked = cost, limits, 0, 0
        self.counted: dict[Choice, int] = {}
        self._ratio = MARGIN

    def fits(self, choice: Choice) -> bool:
        self.asked += 1
        stage("search", self.asked)
        with unheard():
            return self._fits(choice)

    def _fits(self, choice: Choice) -> bool:
        limits = self.limits
        estimate = self.cost.estimate(choice)
        if limits.ram is not None and estimate * self._ratio > limits.ram:
            return False
        self.plans += 1
        ram, flash = self.cost.planned(choice)
        self._ratio = min(self._ratio, ram / estimate)
        small = all(
            limit is None or size <= limit
            for size, limit in ((ram, limits.ram), (flash, limits.flash))
        )
        return small and self._quick(choice)

    def _quick(self, choice: Choice) -> bool:
        """Instructions are counted only where those of a step with less work were few enough."""
        if self.limits.instructions is None:
            return True
        work = self.cost.work(choice)
        slow = [w for w in self._works(above=self.limits.instructions) if w <= work]
        if slow:
            return False
        self.counted[choice] = self.cost.instructions(choice)
        return self.counted[choice] <= self.limits.instructions

    def _works(self, above: int) -> list[int]:
        return [self.cost.work(c) for c, count in self.counted.items() if count > above]

    def nothing(self) -> TargetError:
        """What to say if no scheme fits."""
        ram, flash = self.cost.planned(Choice())
        needs = f"{ram:,} bytes of RAM and {flash:,} of Flash"
        if self.limits.instructions is not None:
            needs += f", {self.cost.instructions(Choice()):,} instructions a step"
        return TargetError(
            f"no scheme fits {self.limits} of {self.cost.target.name}; the smallest, the "
            f"classifier alone, needs {needs} (reserved stack {self.cost.target.stack:,}); allow "
            "more, or use a smaller input or network"
        )


def _least(name: str, own: int | None, given: Any) -> int | None:
    sizes = [size for size in (own, bytes_of(name, given)) if size is not None]
    return min(sizes, default=None)
