"""A loop over time steps, and views of what it stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.table import Lowering, find_lowering, lowering
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.repeat.loop import LAST, STATES, Loop

DTYPES = {
    "float32": torch.float32, "int32": torch.int32, "int16": torch.int16, "int8": torch.int8,
    "uint8": torch.uint8,
}  # fmt: skip


@lowering("view")
def view(n: Node, x: Tensor) -> Tensor:
    start, size = n.attrs["start"], n.type.nbytes // n.inputs[0].type.itemsize
    flat = x.reshape(x.shape[0], -1)[:, start : start + size]
    if "kind" in n.attrs:
        flat = flat.clone().view(DTYPES[n.type.dtype])
    return flat.reshape(x.shape[0], *n.type.shape)


@lowering("repeat")
def repeat(n: Node, *inputs: Tensor) -> Tensor:
    return unrolled(n, inputs, find_lowering)


def unrolled(n: Node, inputs: Sequence[Tensor], function_of: Callable[[Node], Lowering]) -> Tensor:
    """Each turn computes its body's operations one after another, by the function of each."""
    loop = Loop.of(n.attrs)
    given = {k: inputs[position] for k, position in loop.position.items()}
    zeros = {k: _zeros(loop.body.inputs[k], inputs[0]) for k in loop.zeros}
    states = [given[k] if k in given else zeros[k] for k in range(loop.body.states)]
    rows: dict[tuple[str, int], list[Tensor]] = {key: [] for key in loop.slots}
    for k in loop.stacked:
        rows[STATES, k].append(states[k])
    turns = range(loop.count)
    for at in reversed(turns) if loop.reverse else turns:
        made = [*states, *(given[k][:, at] for k in loop.sliced), *(given[k] for k in loop.fixed)]
        for m, (_, operands, _) in zip(loop.values[len(made) :], loop.body.steps, strict=True):
            made.append(function_of(m)(m, *(made[k] for k in operands)))
        states = [made[k] for k in loop.body.after]
        for (kind, k), own in rows.items():
            if kind != LAST:
                own.append(states[k] if kind == STATES else made[loop.body.each[k]])
    for k in loop.last:
        rows[LAST, k].append(states[k])
    parts, end = [], 0
    for (kind, k), own in rows.items():
        slots = loop.slots[kind, k]
        parts.append(own[0].new_zeros(1, slots.start - end, dtype=DTYPES[loop.result.dtype]))
        ordered = own[::-1] if loop.reverse and kind != LAST else own
        parts += [_elements(row, slots.type, loop.result) for row in ordered]
        end = slots.start + slots.size
    flat = aligned(*parts)
    size = max(row.shape[0] for row in flat)
    return torch.cat([row.expand(size, -1) for row in flat], 1)


def _zeros(kind: TensorType, like: Tensor) -> Tensor:
    return torch.zeros(1, *kind.shape, dtype=DTYPES[kind.dtype], device=like.device)


def _elements(row: Tensor, own: TensorType, result: TensorType) -> Tensor:
    """A slot as elements of the result."""
    flat = row.reshape(row.shape[0], -1)
    if own.dtype != result.dtype:
        flat = flat.to(DTYPES[own.dtype]).contiguous().view(DTYPES[result.dtype])
    return flat
