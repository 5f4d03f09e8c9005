"""LSTM, GRU and RNN.

A parameter of the file holds the weights of all gates and directions, in ONNX's order of the gates;
here each direction has its own, in PyTorch's order.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.table import onnx
from trainlet.frontends.recurrent import GRU, LSTM, RELU, RESET_FIRST, TANH, Cell, Weights, scan
from trainlet.ir.graph import Node
from trainlet.ir.printable import plain
from trainlet.ops.op import require
from trainlet.ops.repeat.loop import after, last

ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where PyTorch's gates stand in the file."""
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def _cell(at: Builder, kind: str, directions: int) -> Cell:
    given = at.operator.attributes.get("activations") or USUAL[kind] * directions
    at.unread.discard("activations")
    if kind == "RNN" and given == ["Relu"] * directions:
        return RELU
    if given != USUAL[kind] * directions:
        raise UnsupportedError(f"activations {str(given)[:80]}; allowed: {USUAL[kind]}")
    if kind == "GRU" and not at.attribute("linear_before_reset", 0):
        return RESET_FIRST
    return {"LSTM": LSTM, "GRU": GRU, "RNN": TANH}[kind]


def _rows(at: Builder, kind: str, position: int, what: str, k: int, part: int = 0) -> Node:
    """What direction k has of a weight [directions, gates * units, ..], or of the part of a bias
    that belongs to the input, 0, or to the state, 1."""
    array, name = at.constant(position, what), at.operator.inputs[position]
    gates = len(ORDERS[kind])
    parts = 2 if array.ndim == 2 else 1
    require(array.ndim in (2, 3) and array.shape[1] % (parts * gates) == 0, f"{what} {array.shape}")
    own = array[k].reshape(parts, gates, -1, *array.shape[2:])[part]
    own = own[list(ORDERS[kind])].reshape(-1, *array.shape[2:])
    label = plain(name, 200) + (".reverse" if k else "")
    return at.shared(label + ("", ".state")[part], np.ascontiguousarray(own))


def _initial(at: Builder, position: int, k: int, count: int) -> Node | None:
    """The initial state of direction k; None for zeros."""
    if not at.has(position) or (at.is_known(position) and not at.constant(position, "state").any()):
        return None
    h = at.input(position)
    if at.operator.attributes.get("layout", 0):
        h = at.permute(h, 1, 0, 2)
    require(h.type.rank == 3 and h.type.shape[0] == count, f"an initial state {h.type}")
    own = h if count == 1 else at.build("slice", h, axis=0, start=k, stop=k + 1)
    return at.reshape(own, h.type.shape[1:])


def _recurrent(at: Builder, kind: str) -> list[Node]:
    """All states [T, directions, N, units], and the last of each."""
    x = at.input(0)
    require(x.type.rank == 3, f"input {x.type}; allowed: three dimensions")
    batch_first = bool(at.attribute("layout", 0))
    x = at.permute(x, 1, 0, 2) if batch_first else x
    turns = DIRECTIONS[one_of(at.attribute("direction", "forward"), tuple(DIRECTIONS), "direction")]
    cell = _cell(at, kind, len(turns))
    at.attribute("hidden_size", 0)
    if at.attribute("input_forget", 0) or at.attribute("clip", 0.0):
        raise UnsupportedError("input_forget or clip; allowed: neither")
    if at.has(4) and any(n != x.type.shape[0] for n in at.ints(4, "sequence_lens")):
        raise UnsupportedError("sequences that end early; allowed: all of the same length")
    if at.has(7) and (kind != "LSTM" or at.constant(7, "peepholes").any()):
        raise UnsupportedError("an LSTM with peephole weights; allowed: none")
    outputs, lasts = [], [[] for _ in range(cell.states)]
    for k, turned in enumerate(turns):
        weights = Weights(_rows(at, kind, 1, "W", k), _rows(at, kind, 2, "R", k))
        if at.has(3):
            biases = (_rows(at, kind, 3, "B", k, part) for part in (0, 1))
            weights = Weights(*weights[:2], *biases)
        states = [_initial(at, 5 + s, k, len(turns)) for s in range(cell.states)]
        loop = scan(cell, x, states, weights, turned, at.label)
        y = after(loop, 0)
        outputs.append(at.reshape(y, (y.type.shape[0], 1, *y.type.shape[1:])))
        for s in range(cell.states):
            state = last(loop, s)
            lasts[s].append(at.reshape(state, (1, *state.type.shape)))
    whole = reduce(lambda a, b: at.build("concat", a, b, axis=1), outputs)
    states = [reduce(lambda a, b: at.build("concat", a, b, axis=0), own) for own in lasts]
    if batch_first:
        return [at.permute(whole, 2, 0, 1, 3), *(at.permute(h, 1, 0, 2) for h in states)]
    return [whole, *states]


for _kind in ORDERS:
    onnx(_kind)(lambda at, kind=_kind: _recurrent(at, kind))
