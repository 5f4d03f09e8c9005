"""Which layers and channels learn, chosen from what was measured of channels by a rule that the C
has too, in the same arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainlet.planning.program import Program

WORDS = 8
"""Bytes beside state and arena: which variant was chosen, and whether there is a state."""


@dataclass(frozen=True)
class Candidate:
    """A weight that may be chosen.

    sums:     the state that holds what was measured of its channels
    channels: its input channels; many: of which so many learn
    factor:   float32; a layer's score is this times the sum over its channels
    """

    weight: str
    sums: str
    channels: int
    many: int
    factor: float


@dataclass(frozen=True)
class Choosing:
    """A trainer that chooses what learns: the programs between which it chooses.

    measure:    its step adds an example to what is measured of the candidates' channels
    variants:   one for each set of candidates that may learn together
    sets:       of each variant, the positions of its candidates
    """

    candidates: tuple[Candidate, ...]
    measure: Program
    variants: tuple[Program, ...]
    sets: tuple[frozenset[int], ...]

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.measure, *self.variants)

    @property
    def prefix(self) -> str:
        return self.measure.prefix

    @property
    def memory_bytes(self) -> int:
        """Bytes that the state and the arena of one program need, whichever it is.

        Each arena holds at least its state (`Program.staged`), so a new state fits behind the
        present one.
        """
        return max(map(program_bytes, self.programs))

    @property
    def ram_bytes(self) -> int:
        """Static memory, and the reserved stack."""
        return self.memory_bytes + WORDS + self.measure.target.stack

    @property
    def blob_bytes(self) -> int:
        """Of the largest saved state; a smaller one ends with zeros."""
        return max(p.layout.blob_bytes for p in self.programs)

    def chosen(self, measured: Mapping[str, np.ndarray]) -> tuple[int, dict[str, np.ndarray]]:
        """The number of the variant, and the channels of each of its weights.

        measured: of each candidate's weight, float32 [channels]
        """
        sums = [np.add.accumulate(measured[c.weight])[-1] for c in self.candidates]
        scores = [
            float(s * np.float32(c.factor)) for s, c in zip(sums, self.candidates, strict=True)
        ]
        number = chosen_set(scores, self.sets)
        tables = {}
        for k in self.sets[number]:
            c = self.candidates[k]
            best = np.argsort(-measured[c.weight], kind="stable")[: c.many]
            tables[c.weight] = np.sort(best).astype(np.int32)
        return number, tables


def align(size: int) -> int:
    """The next multiple of 8 bytes."""
    return -(-size // 8) * 8


def program_bytes(program: Program) -> int:
    """Of the state and the arena of a program."""
    return align(program.state_bytes) + align(program.arena_bytes)


def chosen_set(scores: Sequence[float], sets: Sequence[frozenset[int]]) -> int:
    """In descending order of the scores, of equal ones the first, each candidate is taken that one
    of the sets contains together with all that were taken before; the number of the set that is
    left."""
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    taken = frozenset[int]()
    for k in order:
        if any(taken | {k} <= one for one in sets):
            taken |= {k}
    return sets.index(taken)


def largest_sets(
    order: Sequence[int], fits: Callable[[frozenset[int]], bool]
) -> tuple[frozenset[int], ...]:
    """For each candidate a set that contains it and fits, to which the others are added in this
    order, as long as the set fits; no set is part of another.

    fits: of a set; what contains a set that does not fit is taken not to fit either
    """
    found: list[frozenset[int]] = []
    bad: list[frozenset[int]] = []

    def admit(one: frozenset[int]) -> bool:
        if any(one <= good for good in found):
            return True
        if any(worse <= one for worse in bad) or not fits(one):
            bad.append(one)
            return False
        return True

    for first in order:
        one = frozenset({first})
        if not admit(one):
            continue
        for k in order:
            if k not in one and admit(one | {k}):
                one |= {k}
        found.append(one)
    whole = [one for one in dict.fromkeys(found) if not any(one < other for other in found)]
    return tuple(whole)
