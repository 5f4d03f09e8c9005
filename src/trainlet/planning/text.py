"""A plan as text: when each operation runs, and where its result lies."""

from __future__ import annotations

from trainlet.planning.plan import Plan
from trainlet.planning.report import label


def print_plan(plan: Plan) -> str:
    """One line an operation in the order of the plan: its moment, the first byte and the bytes of
    its result in the arena ("-": none), its type and name.  Operations of one moment are a tile,
    which runs a few rows at a time."""
    lines = [f"arena {plan.arena} bytes, lower bound {plan.lower_bound}"]
    for n in plan.order:
        where = f"{plan.offset[n]:>8} {plan.size[n]:>8}" if n in plan.size else f"{'-':>8} {'-':>8}"
        lines.append(f"{plan.moment[n]:>5} {where}  {n.type}  {label(n)}")
    return "\n".join(lines) + "\n"
