"""The cells of recurrent layers, and the loop of a layer over its time steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from trainlet.ir.graph import Node
from trainlet.ops.op import build, leaf
from trainlet.ops.repeat.body import body_of

Step = Callable[[Node, Node, Sequence[Node]], list[Node]]
"""(products of the input, products of the state, states) -> the states after the step; both have
a column for each unit of each gate, in PyTorch's order of the gates"""
Inner = Callable[[Sequence[Node], Callable[[Node], Node], Sequence[Node]], list[Node]]
"""(what a step made, the product with the last gate's weights, states) -> the states after it"""


class Cell(NamedTuple):
    """step: what a time step computes; gates: how many columns of products a unit has; states:
    how many states it carries; reads: the states that a step reads beside their products; inner:
    makes of what `step` gives the states after it, with a product of the last gate's weights, which
    are then no part of the products of the state."""

    step: Step
    gates: int
    states: int
    reads: tuple[int, ...] = ()
    inner: Inner | None = None


def _gates(x: Node, count: int) -> list[Node]:
    size = x.type.shape[-1] // count
    axis = x.type.rank - 1
    return [build("slice", x, axis=axis, start=k * size, stop=(k + 1) * size)
            for k in range(count)]  # fmt: skip


def lstm(clip: float = 0.0) -> Cell:
    """clip: bound of the cell state's size; 0 for none."""

    def step(x: Node, h: Node, states: Sequence[Node]) -> list[Node]:
        i, f, g, o = _gates(build("add", x, h), 4)
        kept = build("mul", build("sigmoid", f), states[1])
        c = build("add", kept, build("mul", build("sigmoid", i), build("tanh", g)))
        if clip:
            c = build("clip", c, low=-clip, high=clip, inclusive=True)
        return [build("mul", build("sigmoid", o), build("tanh", c)), c]

    return Cell(step, 4, 2, (1,))


def _gru_step(x: Node, h: Node, states: Sequence[Node]) -> list[Node]:
    (xr, xz, xn), (hr, hz, hn) = _gates(x, 3), _gates(h, 3)
    r = build("sigmoid", build("add", xr, hr))
    z = build("sigmoid", build("add", xz, hz))
    n = build("tanh", build("add", xn, build("mul", r, hn)))
    return [build("add", n, build("mul", z, build("sub", states[0], n)))]


def _reset_first(x: Node, h: Node, states: Sequence[Node]) -> list[Node]:
    """The gates of a GRU whose new state reads what is left of the old one, and its input."""
    (xr, xz, xn), (hr, hz) = _gates(x, 3), _gates(h, 2)
    r = build("sigmoid", build("add", xr, hr))
    return [build("mul", r, states[0]), build("sigmoid", build("add", xz, hz)), xn]


def _after_reset(
    made: Sequence[Node], multiply: Callable[[Node], Node], states: Sequence[Node]
) -> list[Node]:
    left, z, xn = made
    n = build("tanh", build("add", xn, multiply(left)))
    return [build("add", n, build("mul", z, build("sub", states[0], n)))]


def _plain_step(function: str) -> Step:
    return lambda x, h, states: [build(function, build("add", x, h))]


LSTM = lstm()
GRU = Cell(_gru_step, 3, 1, (0,))
RESET_FIRST = Cell(_reset_first, 3, 1, (0,), _after_reset)
"""A GRU that resets the state before the product with its weights, as the first paper has it."""
TANH, RELU = Cell(_plain_step("tanh"), 1, 1), Cell(_plain_step("relu"), 1, 1)


class Weights(NamedTuple):
    """Of one layer in one direction: [gates * units, inputs], [gates * units, units], biases
    [gates * units] or None, and the projection of the first state, or None.

    With a projection [outputs, units] the first state has `outputs` columns, and so has the weight
    that reads it.
    """

    inputs: Node
    states: Node
    input_bias: Node | None = None
    state_bias: Node | None = None
    projection: Node | None = None


def product(x: Node, w: Node, b: Node | None, label: str = "") -> Node:
    return build("linear", x, w, *([] if b is None else [b]), label=label)


def _rows(x: Node, start: int, stop: int, label: str) -> Node:
    if (start, stop) == (0, x.type.shape[0]):
        return x
    return build("slice", x, axis=0, start=start, stop=stop, label=label)


def scan(
    cell: Cell,
    x: Node,
    initial: Sequence[Node | None],
    w: Weights,
    reverse: bool = False,
    label: str = "",
) -> Node:
    """The loop over x [T, N, inputs]; an initial state that is None is zero."""
    count, rows, _ = x.type.shape
    products = product(x, w.inputs, w.input_bias, label)
    units = products.type.shape[2] // cell.gates
    widths = [w.states.type.shape[1], *[units] * (cell.states - 1)]
    states = [leaf("input", f"s{k}", x.type.with_shape((rows, n))) for k, n in enumerate(widths)]
    own = leaf("input", "x", products.type.with_shape(products.type.shape[1:]))
    whole = [w.states] if w.state_bias is None else [w.states, w.state_bias]
    rows_of_products = units * (cell.gates - (cell.inner is not None))
    given = [_rows(n, 0, rows_of_products, label) for n in whole]
    fixed = [leaf("input", f"w{k}", n.type) for k, n in enumerate(given)]
    made = cell.step(own, build("linear", states[0], *fixed), states)
    if cell.inner is not None:
        last = [_rows(n, rows_of_products, units * cell.gates, label) for n in whole]
        inner = [leaf("input", f"v{k}", n.type) for k, n in enumerate(last)]
        given, fixed = given + last, fixed + inner
        made = cell.inner(made, lambda h: build("linear", h, *inner), states)
    if w.projection is not None:
        given.append(w.projection)
        fixed.append(leaf("input", "projection", w.projection.type))
        made[0] = build("linear", made[0], fixed[-1])
    known = [n for n in initial if n is not None]
    return build(
        "repeat",
        *known,
        products,
        *given,
        body=body_of(states, [own], fixed, made),
        count=count,
        reverse=reverse,
        zeros=tuple(k for k, n in enumerate(initial) if n is None),
        stacked=tuple(range(cell.states)),
        label=label,
    )
