"""The best schemes that fit, where there are too many to try them in descending order.

What a scheme needs does not add up over its parts, but rules that do add up come close.  Within a
capacity by such a rule a knapsack knows the best scheme.  The largest capacity whose best scheme
fits is found by bisection, and only schemes that would gain more than the best so far are planned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trainlet.schemes.knapsack import Additive, Knapsack, Part
from trainlet.schemes.layers import Choice, Layers

CLOSE = 1.02
"""Bisection ends where two capacities differ by no more than this factor."""
UNITS = 4096
"""All parts together cost about so many units of a knapsack."""
NUMBERS, NEIGHBOURS = 5, 64
"""A rule is done when of so many numbers of biases in a row none is better; of the best schemes so
many neighbours are tried in all."""


@dataclass
class Bisection:
    """A search for the schemes of the largest sums of gains.

    fits: whether a scheme does; asked once for each scheme
    tried: the answers
    """

    layers: Layers
    gains: Additive
    fits: Callable[[Choice], bool]
    tried: dict[Choice, bool] = field(default_factory=dict, init=False)

    @property
    def found(self) -> list[Choice]:
        """The schemes that fit, the best first and of equal ones the smaller."""
        fitting = (choice for choice, fits in self.tried.items() if fits)
        return sorted(fitting, key=lambda c: (-self.gains.of(c), len(c.shares), c.biases))

    def search(self, rules: Sequence[Additive], parts: Sequence[Part]) -> None:
        """Try what may be best by each rule of costs, then the neighbours of the best.

        parts: the weights and shares that may learn.
        """
        if not self._try(Choice()):
            return
        for rule in rules:
            self._by_rule(rule, parts)
        self._climb(parts)

    def _by_rule(self, rule: Additive, parts: Sequence[Part]) -> None:
        costs = _coarse(rule, parts)
        whole = _all(costs, parts)
        chosen = Additive(self.gains.biases, {p: self.gains.weights[p] for p in parts})
        problem = Knapsack(len(self.layers.body), chosen, costs, int(whole))
        self._bisect(problem.best, 0, whole)
        missed, tried = 0, set[int]()
        while missed < NUMBERS:
            least = problem.least(self.gains.of(self.found[0]) - self.gains.base)
            open_ = {k: capacity for k, capacity in least.items() if k not in tried}
            if not open_:
                break
            k = min(open_, key=lambda k: open_[k])
            tried.add(k)
            better = self._bisect(lambda size, k=k: problem.with_biases(k, size), open_[k], whole)
            missed = 0 if better else missed + 1

    def _bisect(self, best: Callable[[int], Choice | None], low: float, high: float) -> bool:
        """Whether the scheme of the capacity low fits; then larger capacities were tried too."""
        low, high = int(low), int(high)
        smallest, largest = best(low), best(high)
        if smallest is None or not self._try(smallest):
            return False
        if largest is not None and self._try(largest):
            return True
        while high > max(low + 1, low * CLOSE) and best(low) != best(high):
            middle = (low + high) // 2
            choice = best(middle)
            if choice is not None and self._try(choice):
                low = middle
            else:
                high = middle
        return True

    def _climb(self, parts: Sequence[Part]) -> None:
        """From the best scheme to a better neighbour that fits, as long as there is one.

        A neighbour has another share of one weight, and the biases that its gradient passes.
        """
        left, better = NEIGHBOURS, True
        while better and left:
            best, better = self.found[0], False
            near = {self._with(best, part) for part in parts} - self.tried.keys()
            gained = [c for c in near if self.gains.of(c) > self.gains.of(best)]
            for choice in sorted(gained, key=lambda c: (-self.gains.of(c), c.biases, c.shares)):
                if better or not left:
                    break
                left, better = left - 1, self._try(choice)

    def _with(self, choice: Choice, part: Part) -> Choice:
        others = [own for own in choice.shares if own[0] != part[0]]
        return Choice.of(max(choice.biases, self.layers.reaching(part[0])), [*others, part])

    def _try(self, choice: Choice) -> bool:
        if choice not in self.tried:
            self.tried[choice] = self.fits(choice)
        return self.tried[choice]


def _all(rule: Additive, parts: Sequence[Part]) -> float:
    """No scheme costs more."""
    return rule.base + max(rule.biases.values()) + sum(rule.weights[p] for p in parts)


def _coarse(rule: Additive, parts: Sequence[Part]) -> Additive:
    """The costs of parts in whole units, so large that tables stay small."""
    unit = max(1.0, (_all(rule, parts) - rule.base) / UNITS)
    biases = {k: round(cost / unit) for k, cost in rule.biases.items()}
    return Additive(biases, {p: round(rule.weights[p] / unit) for p in parts})
