"""nn.LSTM, nn.GRU, nn.RNN and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer
from trainlet.frontends.recurrent import GRU, LSTM, RELU, TANH, Cell, Weights, product
from trainlet.ir.graph import Node
from trainlet.ops.repeat.loop import after, last


def _is_zero(at: Importer, n: Node) -> bool:
    return n.op == "const" and not at.values[n.name].any()


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
    groups = [_weights(params[k : k + each], has_biases) for k in range(0, len(params), each)]
    x = at.permute(x, 1, 0, 2) if batch_first else x
    lasts: list[list[Node]] = [[] for _ in range(cell.states)]
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            initial = [_initial(at, h, k) for h in hx]
            loop = at.scan(cell, x, initial, groups[k], direction == 1)
            outputs.append(after(loop, 0))
            for s in range(cell.states):
                state = last(loop, s)
                lasts[s].append(at.reshape(state, (1, *state.type.shape)))
        x = reduce(lambda a, b: at.build("concat", a, b, axis=2), outputs)
    x = at.permute(x, 1, 0, 2) if batch_first else x
    return [x, *(reduce(lambda a, b: at.build("concat", a, b, axis=0), own) for own in lasts)]


def _weights(given: Sequence[Node], has_biases: bool) -> Weights:
    """In PyTorch's order; a projection comes last."""
    count = 4 if has_biases else 2
    projection = given[count] if len(given) > count else None
    return Weights(*given[:count])._replace(projection=projection)


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
    products = product(x, own.inputs, own.input_bias, at.label)
    return cell.step(products, product(states[0], own.states, own.state_bias, at.label), states)


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
