"""UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.recurrent import Weights, lstm, scan
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Operator
from trainlet.frontends.tflite.integer_lstm import (
    BIASES,
    INPUT_WEIGHTS,
    STATE_WEIGHTS,
    integer_lstm,
)
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import require
from trainlet.ops.repeat.loop import after

ABSENT = {
    9: "peephole weights", 10: "peephole weights", 11: "peephole weights", 16: "a projection",
    17: "a projection", 20: "layer norms", 21: "layer norms", 22: "layer norms", 23: "layer norms",
}  # fmt: skip
TANH = 4


def sequence_lstm(at: Builder, operator: Operator) -> Node:
    """The weights of the four gates are one parameter each for the input and the state."""
    options = operator.options("UnidirectionalSequenceLSTMOptions")
    x = at.input(0)
    at.named("lstm")
    for position, what in ABSENT.items():
        if at.tensor(position) is not None:
            raise UnsupportedError(f"an LSTM with {what}; allowed: none")
    if options.FusedActivationFunction() != TANH:
        number = options.FusedActivationFunction()
        raise UnsupportedError(f"activation number {number}; allowed: {TANH}, TANH")
    require(x.type.rank == 3, f"input {x.type}; allowed: three dimensions")
    if x.type.dtype == "int8":
        return integer_lstm(at, x, options.CellClip(), bool(options.TimeMajor()))
    weights = Weights(
        _joined(at, INPUT_WEIGHTS, "weight_ih"),
        _joined(at, STATE_WEIGHTS, "weight_hh"),
        _joined(at, BIASES, "bias"),
    )
    major = bool(options.TimeMajor())
    steps = x if major else at.build("permute", x, permutation=(1, 0, 2))
    loop = scan(lstm(options.CellClip()), steps, (None, None), weights, label=at.label)
    y = after(loop, 0)
    return y if major else at.build("permute", y, permutation=(1, 0, 2))


def _joined(at: Builder, positions: tuple[int, ...], role: str) -> Node:
    tensors = [at.required(k, f"{role} of gate {gate}") for gate, k in enumerate(positions)]
    for k, t in zip(positions, tensors, strict=True):
        if t.dtype != "float32":
            raise UnsupportedError(f"{role}, {t.name!r}, is {t.dtype}; allowed: float32")
        require(t.shape == tensors[0].shape, f"{role}s of shapes {tensors[0].shape}, {t.shape}")
        at.constant(k, role)
    array = np.concatenate([at.constant(k, role) for k in positions])
    return at.parameter(tensors[0], role, array, TensorType(array.shape))
