"""A placement as a constraint programme for OR-Tools' CP-SAT: rectangles of moments and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainlet.errors import ToolchainError
from trainlet.planning.buffers import ALIGN
from trainlet.planning.order.constraint import MISSING, WORK, cp_sat
from trainlet.planning.packing.blocks import Addresses, Block, Slack


def place(blocks: Sequence[Block], slack: Slack, height: int) -> Addresses | None:
    """A placement within `height` bytes; None if there is none, or none was found.

    Raises ToolchainError where OR-Tools is not installed.
    """
    cp_model = cp_sat()
    if cp_model is None:
        raise ToolchainError(MISSING)
    model: Any = cp_model.CpModel()
    start = {b: model.new_int_var(0, (height - b.size) // ALIGN, "") for b in blocks}
    sources = {source: result for source, result in slack}
    moments, addresses = [], []
    for b in blocks:
        born, dies = max(b.span[0], 0), max(b.span[1], 0)
        length = dies - born + (0 if b in sources else 1)  # the last moment is shared
        if length:
            moments.append(model.new_fixed_size_interval_var(born, length, ""))
            addresses.append(model.new_fixed_size_interval_var(start[b], b.size // ALIGN, ""))
    model.add_no_overlap_2d(moments, addresses)
    for source in sources:
        for b in blocks:
            if b is not source and b.span[0] <= source.span[1] <= b.span[1]:
                below, above = model.new_bool_var(""), model.new_bool_var("")
                ends = start[b] + b.size // ALIGN <= start[source]
                if (source, b) in slack:
                    ends = start[b] <= start[source] + slack[source, b] // ALIGN
                model.add(ends).only_enforce_if(below)
                model.add(start[b] >= start[source] + source.size // ALIGN).only_enforce_if(above)
                model.add_bool_or(below, above)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = WORK
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return {b: solver.value(s) * ALIGN for b, s in start.items()}
