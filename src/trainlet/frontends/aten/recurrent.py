"""Recurrent layers: the products of all inputs at once, then a loop over the time steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node
from trainlet.ops.op import build, leaf
from trainlet.ops.repeat.body import body_of
from trainlet.ops.repeat.loop import after, last

Step = Callable[[Node, Node, Sequence[Node]], list[Node]]
"""(products of the input, products of the state, states) -> the states after the step; both have
a column for each unit of each gate, in PyTorch's order of the gates"""


class Cell(NamedTuple):
    """step: what a time step computes; states: how many states it carries."""

    step: Step
    states: int


def _gates(x: Node, count: int) -> list[Node]:
    size = x.type.shape[-1] // count
    axis = x.type.rank - 1
    return [build("slice", x, axis=axis, start=k * size, stop=(k + 1) * size)
            for k in range(count)]  # fmt: skip


def _lstm_step(x: Node, h: Node, states: Sequence[Node]) -> list[Node]:
    i, f, g, o = _gates(build("add", x, h), 4)
    kept = build("mul", build("sigmoid", f), states[1])
    c = build("add", kept, build("mul", build("sigmoid", i), build("tanh", g)))
    return [build("mul", build("sigmoid", o), build("tanh", c)), c]


def _gru_step(x: Node, h: Node, states: Sequence[Node]) -> list[Node]:
    (xr, xz, xn), (hr, hz, hn) = _gates(x, 3), _gates(h, 3)
    r = build("sigmoid", build("add", xr, hr))
    z = build("sigmoid", build("add", xz, hz))
    n = build("tanh", build("add", xn, build("mul", r, hn)))
    return [build("add", n, build("mul", z, build("sub", states[0], n)))]


def _plain_step(function: str) -> Step:
    return lambda x, h, states: [build(function, build("add", x, h))]


LSTM = Cell(_lstm_step, 2)
GRU = Cell(_gru_step, 1)
TANH, RELU = Cell(_plain_step("tanh"), 1), Cell(_plain_step("relu"), 1)


class Weights(NamedTuple):
    """Of one layer in one direction: [gates * units, inputs], [gates * units, units], and biases
    [gates * units] or None."""

    inputs: Node
    states: Node
    input_bias: Node | None = None
    state_bias: Node | None = None


def _linear(x: Node, w: Node, b: Node | None, label: str = "") -> Node:
    return build("linear", x, w, *([] if b is None else [b]), label=label)


def _is_zero(at: Importer, n: Node) -> bool:
    return n.op == "const" and not at.values[n.name].any()


def _scan(
    at: Importer, cell: Cell, x: Node, initial: Sequence[Node | None], w: Weights, reverse: bool
) -> Node:
    """The loop over x [T, N, inputs]; an initial state that is None is zero."""
    count, rows, _ = x.type.shape
    products = _linear(x, w.inputs, w.input_bias, at.label)
    units = w.states.type.shape[1]
    states = [leaf("input", f"s{k}", x.type.with_shape((rows, units))) for k in range(cell.states)]
    own = leaf("input", "x", products.type.with_shape(products.type.shape[1:]))
    given = [w.states] if w.state_bias is None else [w.states, w.state_bias]
    fixed = [leaf("input", f"w{k}", n.type) for k, n in enumerate(given)]
    made = cell.step(own, build("linear", states[0], *fixed), states)
    known = [n for n in initial if n is not None]
    return at.build(
        "repeat",
        *known,
        products,
        *given,
        body=body_of(states, [own], fixed, made),
        count=count,
        reverse=reverse,
        zeros=tuple(k for k, n in enumerate(initial) if n is None),
        stacked=tuple(range(cell.states)),
    )


def _layers(
    at: Importer,
    cell: Cell,
    x: Node,
    hx: Sequence[Node],
    params: Sequence[Node],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Node]:
    """The output and the last states."""
    if dropout and train and num_layers > 1:
        raise UnsupportedError(
            f"dropout={dropout} between recurrent layers in training mode; a trainer draws no "
            "random numbers: export model.eval(), or set dropout=0"
        )
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    if each != (4 if has_biases else 2):
        raise UnsupportedError("proj_size; allowed: a recurrent layer without projection "
                               "(proj_size=0), followed by nn.Linear")  # fmt: skip
    groups = [Weights(*params[k : k + each]) for k in range(0, len(params), each)]
    x = at.permute(x, 1, 0, 2) if batch_first else x
    lasts: list[list[Node]] = [[] for _ in range(cell.states)]
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            initial = [_initial(at, h, k) for h in hx]
            loop = _scan(at, cell, x, initial, groups[k], direction == 1)
            outputs.append(after(loop, 0))
            for s in range(cell.states):
                state = last(loop, s)
                lasts[s].append(at.reshape(state, (1, *state.type.shape)))
        x = reduce(lambda a, b: at.build("concat", a, b, axis=2), outputs)
    x = at.permute(x, 1, 0, 2) if batch_first else x
    return [x, *(reduce(lambda a, b: at.build("concat", a, b, axis=0), own) for own in lasts)]


def _initial(at: Importer, h: Node, k: int) -> Node | None:
    """The initial state of layer and direction k, of all in h [layers * directions, N, units]."""
    if _is_zero(at, h):
        return None
    own = h if h.type.shape[0] == 1 else at.build("slice", h, axis=0, start=k, stop=k + 1)
    return at.reshape(own, h.type.shape[1:])


@aten("lstm")
def _lstm(at: Importer, x: Node, hx: Sequence[Node], *rest) -> list[Node]:
    return _layers(at, LSTM, x, hx, *_padded_only(rest))


@aten("gru")
def _gru(at: Importer, x: Node, hx: Node, *rest) -> list[Node]:
    return _layers(at, GRU, x, [hx], *_padded_only(rest))


@aten("rnn_tanh")
def _rnn_tanh(at: Importer, x: Node, hx: Node, *rest) -> list[Node]:
    return _layers(at, TANH, x, [hx], *_padded_only(rest))


@aten("rnn_relu")
def _rnn_relu(at: Importer, x: Node, hx: Node, *rest) -> list[Node]:
    return _layers(at, RELU, x, [hx], *_padded_only(rest))


def _padded_only(rest: Sequence) -> Sequence:
    """Raises UnsupportedError for packed sequences: their first argument here is a tensor."""
    if not isinstance(rest[0], (list, tuple)):
        raise UnsupportedError("a packed sequence; allowed: a tensor [T, N, inputs], since a "
                               "trainer's loops have a fixed number of steps")  # fmt: skip
    return rest


def _cell(at: Importer, cell: Cell, x: Node, states: Sequence[Node], *w: Node | None) -> list[Node]:
    assert w[0] is not None and w[1] is not None
    own = Weights(w[0], w[1], *w[2:])
    products = _linear(x, own.inputs, own.input_bias, at.label)
    return cell.step(products, _linear(states[0], own.states, own.state_bias, at.label), states)


@aten("lstm_cell")
def _lstm_cell(at: Importer, x: Node, hx: Sequence[Node], *w: Node | None) -> list[Node]:
    return _cell(at, LSTM, x, hx, *w)


@aten("gru_cell")
def _gru_cell(at: Importer, x: Node, hx: Node, *w: Node | None) -> Node:
    return _cell(at, GRU, x, [hx], *w)[0]


@aten("rnn_tanh_cell")
def _rnn_tanh_cell(at: Importer, x: Node, hx: Node, *w: Node | None) -> Node:
    return _cell(at, TANH, x, [hx], *w)[0]


@aten("rnn_relu_cell")
def _rnn_relu_cell(at: Importer, x: Node, hx: Node, *w: Node | None) -> Node:
    return _cell(at, RELU, x, [hx], *w)[0]
