"""The body of a loop, as an attribute of the node that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainlet.ir.types import TensorType

Step = tuple[str, tuple[int, ...], Mapping[str, Any]]
"""(operator, numbers of the values that it reads, attributes)"""


@dataclass(frozen=True, eq=False)
class Body:
    """What one turn of a loop computes.

    Values are numbered: first the inputs, then the result of each step.
    inputs: the types of the carried states, of one slice of each stacked input, of fixed inputs
    states: number of carried states
    slices: number of stacked inputs
    steps:  the operations of one turn, in an order in which they can run
    after:  for each state the value that the next turn gets
    each:   the values that the loop stacks
    """

    inputs: tuple[TensorType, ...]
    states: int
    slices: int
    steps: tuple[Step, ...]
    after: tuple[int, ...]
    each: tuple[int, ...] = ()
