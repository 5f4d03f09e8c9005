"""The operator `repeat`: its type, its meaning and its call."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops import activation, elementwise, linear, reduce, shape, view  # noqa: F401
from trainlet.ops.op import ANOTHER_ORDER, OPS, Op, register, require
from trainlet.ops.repeat.gradient import gradients
from trainlet.ops.repeat.kernel import called, kernel_name, kernel_source, operations, work_bytes
from trainlet.ops.repeat.loop import EACH, LAST, STATES, Loop, Slots
from trainlet.ops.repeat.placement import in_place
from trainlet.ops.repeat.samples import SAMPLES


def _infer(*inputs: TensorType, **attrs) -> TensorType:
    loop = Loop.of(attrs)
    require(loop.count > 0, f"{loop.count} turns; allowed: at least 1")
    require(len(inputs) == len(loop.position), f"{len(inputs)} inputs, not {len(loop.position)}")
    for k, position in loop.position.items():
        own, found = loop.body.inputs[k], inputs[position]
        wanted = own.with_shape((loop.count, *own.shape)) if k in loop.sliced else own
        require(found == wanted, f"input {position} is {found}; the loop reads {wanted}")
    require(bool(loop.slots), "a loop without a result")
    return loop.result


def _eval(*inputs: np.ndarray, **attrs) -> np.ndarray:
    loop, values = Loop.of(attrs), Loop.of(attrs).values
    real = np.result_type(np.float32, *(i.dtype for i in inputs if i.dtype.kind == "f"))

    def kind(n: Node) -> np.dtype:
        """Floats may be wider than they are on the device."""
        return real if n.type.dtype == "float32" else np.dtype(n.type.dtype)

    whole = loop.result
    result = np.zeros(whole.size, real if whole.dtype == "float32" else whole.dtype)
    slots = {key: _part(result, s) for key, s in loop.slots.items()}
    given = {k: inputs[position] for k, position in loop.position.items()}
    states = [
        given[k] if k in given else np.zeros(loop.body.inputs[k].shape, kind(loop.values[k]))
        for k in range(loop.body.states)
    ]
    for k in loop.stacked:
        slots[STATES, k][loop.initial] = states[k]
    turns = range(loop.count)
    for at in reversed(turns) if loop.reverse else turns:
        made = [*states, *(given[k][at] for k in loop.sliced), *(given[k] for k in loop.fixed)]
        for n, (op, operands, own) in zip(values[len(made) :], loop.body.steps, strict=True):
            made.append(np.asarray(OPS[op].eval(*(made[k] for k in operands), **own), kind(n)))
        states = [made[k] for k in loop.body.after]
        for k in loop.stacked:
            slots[STATES, k][at + loop.after] = states[k]
        for k, n in enumerate(loop.body.each):
            slots[EACH, k][at] = made[n]
    for k in loop.last:
        slots[LAST, k][0] = states[k]
    return result


def _part(result: np.ndarray, slots: Slots) -> np.ndarray:
    """Slot by slot, in the elements' own type."""
    flat = result[slots.start : slots.start + slots.size]
    if slots.type.dtype != "float32" or result.dtype == np.uint8:
        flat = flat.view(slots.type.dtype)
    return flat.reshape(slots.count, *slots.type.shape)


def _macs(n: Node) -> int:
    loop = Loop.of(n.attrs)
    return loop.count * sum(OPS[m.op].macs(m) for m in operations(n))


register(
    Op(
        "repeat",
        infer=_infer,
        checks_elements=True,
        eval=_eval,
        vjp=gradients,
        macs=_macs,
        kernel=kernel_name,
        source=kernel_source,
        calls=called,
        workspace=work_bytes,
        call=lambda n: (),
        inplace_of=in_place,
        tolerance=4 * ANOTHER_ORDER,
        samples=SAMPLES,
    )
)
