"""Loops as the operator Scan, and views of what they make."""

from __future__ import annotations

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, Order, emits, info
from trainlet.backends.onnx.values import Values
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ops.repeat.loop import EACH, STATES, Loop


@emits("view")
def _view(at: Emitter, n: Node, x: str) -> str:
    if n.attrs.get("kind") is not None:
        raise UnsupportedError(f"target='onnx' has no form of a view of bytes ({n.name}: {n.type})")
    flat, start = at.reshape(x, (-1,)), n.attrs["start"]
    ends = (start,), (start + n.type.size,), (0,)
    return at.reshape(at.op("Slice", flat, *map(at.ints, ends)), n.type.shape)


@emits("repeat")
def _repeat(at: Emitter, n: Node, *inputs: str) -> str:
    """One flat array of all results, slot after slot."""
    loop = Loop.of(n.attrs)
    if n.type.dtype != "float32":
        raise UnsupportedError(
            f"target='onnx' has no form of a loop that keeps bytes ({n.name}: {n.type})"
        )
    given = {k: inputs[position] for k, position in loop.position.items()}
    for k in loop.zeros:
        given[k] = at.constant(np.zeros(loop.body.inputs[k].shape, np.float32))
    states = [given[k] for k in range(loop.body.states)]
    made = _scan(at, loop, states, given)
    after = dict(zip(loop.stacked, made[len(states) :], strict=False))
    each = made[len(states) + len(loop.stacked) :]
    flat = []
    for kind, k in loop.slots:
        if kind == STATES:
            first = at.reshape(states[k], (1, *loop.body.inputs[k].shape))
            parts = (after[k], first) if loop.reverse else (first, after[k])
            found = at.op("Concat", *parts, axis=0)
        else:
            found = each[k] if kind == EACH else made[k]
        flat.append(at.reshape(found, (-1,)))
    return at.op("Concat", *flat, axis=0) if len(flat) > 1 else flat[0]


def _scan(at: Emitter, loop: Loop, states: list[str], given: dict[int, str]) -> list[str]:
    """The last states, the stacked states after each turn, and the stacked values."""
    values, names = loop.values, dict[Node, str]()
    moving = range(loop.body.states + loop.body.slices)
    for k, n in enumerate(values[: len(loop.body.inputs)]):
        names[n] = at.fresh() if k in moving else given[k]

    def leaf(n: Node, order: Order) -> tuple[str, Order]:
        return names[n], tuple(range(n.type.rank))

    outputs = [*loop.body.after, *(loop.body.after[k] for k in loop.stacked), *loop.body.each]
    with at.body() as nodes:
        inner = Values(at, values, leaf)
        for n in values:
            if not n.is_leaf:
                inner.write(n)
        results = [at.op("Identity", inner.take(values[k])) for k in outputs]
    body = at.onnx.helper.make_graph(
        nodes, "turn", [info(at.onnx, names[values[k]], values[k]) for k in moving],
        [info(at.onnx, name, values[k]) for name, k in zip(results, outputs, strict=True)],
    )  # fmt: skip
    sliced = [given[k] for k in loop.sliced]
    stacks = len(outputs) - len(states)
    way = {"scan_input_directions": [1] * len(sliced), "scan_output_directions": [1] * stacks}
    return at.several("Scan", len(outputs), *states, *sliced, body=body,
                      num_scan_inputs=len(sliced), **(way if loop.reverse else {}))  # fmt: skip
