"""Few rows in which every choice of a few factors meets every choice of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from random import Random
from typing import Any

Row = dict[str, Any]
Meeting = tuple[tuple[str, int], ...]
TRIES = 30


def covering(factors: Mapping[str, Sequence[Any]], strength: int, seed: int = 0) -> list[Row]:
    """Rows, one choice of each factor, such that any `strength` factors take all their choices
    together; as many as there are factors give the full product.  The same for the same seed."""
    if strength >= len(factors):
        return [dict(zip(factors, row, strict=True)) for row in product(*factors.values())]
    draw, names = Random(seed), sorted(factors)
    left = {
        tuple(zip(some, choice, strict=True))
        for some in combinations(names, strength)
        for choice in product(*(range(len(factors[name])) for name in some))
    }
    rows = []
    while left:
        first = min(left)
        tried = [_drawn(factors, first, draw) for _ in range(TRIES)]
        best = max(tried, key=lambda row: sum(m in left for m in _meetings(row, strength)))
        left -= set(_meetings(best, strength))
        rows.append({name: factors[name][k] for name, k in best.items()})
    return rows


def _drawn(factors: Mapping[str, Sequence[Any]], fixed: Meeting, draw: Random) -> dict[str, int]:
    row = {name: draw.randrange(len(choices)) for name, choices in factors.items()}
    return row | dict(fixed)


def _meetings(row: Mapping[str, int], strength: int) -> Iterator[Meeting]:
    return combinations(sorted(row.items()), strength)
