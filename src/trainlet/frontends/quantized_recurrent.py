"""The loop of a recurrent layer in int8.

Products of the input and of the state are sums of integers; the gates' functions and what a cell
remembers are float32.  A step's output is int8, and it is what the next step's product reads.  The
products of the input are made in the loop, since those of all time steps would need more memory
than all else.
"""

from __future__ import annotations

from collections.abc import Callable

from trainlet.frontends.quantized_layer import Result
from trainlet.frontends.recurrent import Cell, Weights
from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, float32, leaf
from trainlet.ops.quantized.types import affine
from trainlet.ops.repeat.body import body_of

STATE = Result(1 / 128, 0)
"""Of an output between -1 and 1, as TensorFlow Lite has it."""

Leaves = Callable[[float, Node, Node | None], tuple[Node, Node, Node]]
"""(scale of the input, weight, bias) -> their integers, and the weight's scales"""


def integer_scan(
    cell: Cell, x: Node, w: Weights, leaves: Leaves, reverse: bool = False, label: str = ""
) -> Node:
    """The loop over x [T, N, inputs] of int8, from states of zeros.

    cell: one whose outputs are between -1 and 1
    """
    count, rows, _ = x.type.shape
    units = w.states.type.shape[1]
    state = TensorType((rows, units), "int8", Quant((STATE.scale,), (STATE.zero_point,)))
    h, own = leaf("input", "h", state), leaf("input", "x", x.type.with_shape(x.type.shape[1:]))
    memory = {k: leaf("input", f"s{k}", float32(rows, units)) for k in cell.reads}
    given = [
        *leaves(affine(x)[0], w.inputs, w.input_bias),
        *leaves(STATE.scale, w.states, w.state_bias),
    ]
    fixed = [leaf("input", f"w{k}", n.type) for k, n in enumerate(given)]
    of_x = build("linear_i8_f32", own, *fixed[:3], source=affine(own))
    of_h = build("linear_i8_f32", h, *fixed[3:], source=affine(h))
    made = cell.step(of_x, of_h, [memory.get(k, h) for k in range(cell.states)])
    after = [build("quantize", made[0], **STATE.attrs), *(made[k] for k in cell.reads)]
    states = [h, *memory.values()]
    return build(
        "repeat",
        x,
        *given,
        body=body_of(states, [own], fixed, after),
        count=count,
        reverse=reverse,
        zeros=tuple(range(len(states))),
        stacked=tuple(range(len(states))),
        label=label,
    )
