"""A loop over time steps, and views of what it stacks."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.table import find_lowering, lowering
from trainlet.ir.graph import Node
from trainlet.ops.repeat.loop import LAST, STATES, Loop


@lowering("view")
def view(n: Node, x: Tensor) -> Tensor:
    start = n.attrs["start"]
    flat = x.reshape(x.shape[0], -1)[:, start : start + n.type.size]
    return flat.reshape(x.shape[0], *n.type.shape)


@lowering("repeat")
def repeat(n: Node, *inputs: Tensor) -> Tensor:
    """Each turn computes its body's operations one after another."""
    loop = Loop.of(n.attrs)
    given = {k: inputs[position] for k, position in loop.position.items()}
    zeros = {k: inputs[0].new_zeros(1, *loop.body.inputs[k].shape) for k in loop.zeros}
    states = [given[k] if k in given else zeros[k] for k in range(loop.body.states)]
    rows: dict[tuple[str, int], list[Tensor]] = {key: [] for key in loop.slots}
    for k in loop.stacked:
        rows[STATES, k].append(states[k])
    turns = range(loop.count)
    for at in reversed(turns) if loop.reverse else turns:
        made = [*states, *(given[k][:, at] for k in loop.sliced), *(given[k] for k in loop.fixed)]
        for m, (_, operands, _) in zip(loop.values[len(made) :], loop.body.steps, strict=True):
            made.append(find_lowering(m)(m, *(made[k] for k in operands)))
        states = [made[k] for k in loop.body.after]
        for (kind, k), own in rows.items():
            if kind != LAST:
                own.append(states[k] if kind == STATES else made[loop.body.each[k]])
    for k in loop.last:
        rows[LAST, k].append(states[k])
    flat = aligned(*(
        row.reshape(row.shape[0], -1)
        for (kind, _), own in rows.items()
        for row in (own[::-1] if loop.reverse and kind != LAST else own)
    ))  # fmt: skip
    size = max(row.shape[0] for row in flat)
    return torch.cat([row.expand(size, -1) for row in flat], 1)
