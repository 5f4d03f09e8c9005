"""Chooses the values to recompute in a long network, such as a language model: whole blocks.

Trying neighbouring values one by one takes hours there.  A block lies between two values of which
all that follows is made, such as what goes from layer to layer of a transformer.
"""

from __future__ import annotations

from trainlet.planning.recompute.peak import peak_bytes
from trainlet.planning.recompute.problem import Problem

MANY = 250
"""Values of a problem from which on only blocks are tried."""
TOGETHER = (1, 2, 3, 4, 6, 8, 12)
"""How many neighbouring blocks are made again at once, from the first one's input."""


def block_choices(problem: Problem, budget: int, macs: int) -> list[frozenset[int]]:
    """For each number of blocks together the fewest of them, from the input on, whose bytes are
    within the budget; as many as the limit on multiply-accumulates allows where none are."""
    blocks, found = _blocks(problem), []
    for count in TOGETHER:
        parts = [blocks[k : k + count] for k in range(0, len(blocks), count)]
        inside = [frozenset(v for b in part for v in b) - {part[-1][-1]} for part in parts]
        prefixes = [frozenset().union(*inside[:n]) for n in range(len(parts) + 1)]
        allowed = [p for p in prefixes if sum(problem.values[k].macs for k in p) <= macs]
        low, high = 0, len(allowed) - 1
        while low < high:
            middle = (low + high) // 2
            enough = peak_bytes(problem, allowed[middle]) <= budget
            low, high = (low, middle) if enough else (middle + 1, high)
        found.append(allowed[low])
    return found


def _blocks(problem: Problem) -> list[list[int]]:
    """Neighbouring values, each list up to a value of which alone the next ones are made."""
    last = list(range(len(problem.values)))
    for k, value in enumerate(problem.values):
        for i in value.inputs:
            last[i] = k
    found: list[list[int]] = []
    block: list[int] = []
    alive: set[int] = set()
    for k, value in enumerate(problem.values):
        alive = {i for i in (*alive, k) if last[i] > k}
        block += [k] if value.nodes else []
        if alive == {k} and block:
            found.append(block)
            block = []
    return [*found, block] if block else found
