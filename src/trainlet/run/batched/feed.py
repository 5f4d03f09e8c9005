"""The user's arrays of many experiments as the program's leaves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainlet.backends.program import Program
from trainlet.errors import DataError
from trainlet.ir.graph import Node
from trainlet.ir.storage import Storage, storage
from trainlet.run.trainer import input_arrays, target_array


def input_values(
    program: Program, x: ArrayLike | Mapping[str, ArrayLike], leads: tuple[int, ...]
) -> dict[str, Tensor]:
    """For each input its value [lead, *shape]; raises DataError for a lead not among `leads`, a
    wrong shape, NaN or infinity."""
    given = x if isinstance(x, Mapping) else {program.inputs[0].name: x}
    names = [n.name for n in program.inputs]
    if sorted(given) != sorted(names):
        raise DataError(f"the model takes the inputs {names}, found {sorted(given)}")
    return {n.name: _input(n, np.asarray(given[n.name]), leads) for n in program.inputs}


def _input(leaf: Node, array: np.ndarray, leads: tuple[int, ...]) -> Tensor:
    how = storage(leaf)
    if how.shape[0] == 1 and array.shape[1:] == how.shape[1:]:
        array = array[:, None]
    lead = array.shape[0] if array.ndim else 0
    if lead not in leads or array.shape[1:] != how.shape:
        allowed = " or ".join(str((k, *how.shape)) for k in dict.fromkeys(leads))
        raise DataError(f"input {leaf.name!r} has shape {array.shape}; allowed: {allowed}")
    order = 0, *(k + 1 for k in how.permutation)
    wide = Node(
        leaf.op,
        (),
        leaf.type.with_shape((lead, *leaf.type.shape)),
        {"storage": Storage((lead, *how.shape), order)},
        leaf.name,
    )
    return torch.from_numpy(input_arrays([wide], {leaf.name: array})[leaf.name])


def target_values(program: Program, y: ArrayLike, leads: tuple[int, ...]) -> Tensor:
    """Labels or float targets [lead, *shape]; raises DataError."""
    array = np.asarray(y)
    lead = array.shape[0] if array.ndim else 0
    if lead not in leads:
        allowed = " or ".join(map(str, dict.fromkeys(leads)))
        raise DataError(f"the target has shape {array.shape}; allowed: {allowed} rows first, one "
                        "for each experiment")  # fmt: skip
    return torch.from_numpy(np.stack([target_array(program, row) for row in array]))


def learning_rates(lr: ArrayLike, experiments: int) -> Tensor:
    """float32 [experiments]; raises DataError unless all are finite."""
    rates = np.asarray(lr, np.float64)
    if rates.shape not in ((), (experiments,)):
        raise DataError(f"lr has shape {rates.shape}; allowed: one number, or {experiments}")
    if not np.isfinite(rates.astype(np.float32)).all():
        raise DataError(f"the learning rates are {rates}; allowed: finite numbers")
    return torch.from_numpy(np.broadcast_to(rates, (experiments,)).astype(np.float32))
