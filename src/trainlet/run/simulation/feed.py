"""The user's arrays of many experiments as the program's leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainlet.errors import DataError, shown
from trainlet.ir.arrays import as_numbers
from trainlet.ir.graph import Node
from trainlet.ir.roles import target_name
from trainlet.ir.storage import Storage, storage
from trainlet.planning.program import Program
from trainlet.run.device import Targets
from trainlet.run.trainer import Inputs, by_name, check_names, input_arrays, target_array


def input_values(program: Program, x: Inputs, sizes: tuple[int, ...]) -> dict[str, Tensor]:
    """For each input its value [E, *shape], E one of `sizes`; raises DataError for another E, a
    wrong shape, NaN or infinity."""
    given = by_name([n.name for n in program.inputs], x, "inputs")
    check_names(program.inputs, given)
    return {n.name: _input(n, given[n.name], sizes) for n in program.inputs}


def _input(leaf: Node, value: ArrayLike, sizes: tuple[int, ...]) -> Tensor:
    how, array = storage(leaf), as_numbers(value, f"input {leaf.name!r}")
    if how.shape[0] == 1 and array.shape[1:] == how.shape[1:]:
        array = array[:, None]
    size = array.shape[0] if array.ndim else 0
    if size not in sizes or array.shape[1:] != how.shape:
        allowed = " or ".join(str((k, *how.shape)) for k in dict.fromkeys(sizes))
        raise DataError(f"input {leaf.name!r} has shape {array.shape}; allowed: {allowed}")
    order = 0, *(k + 1 for k in how.permutation)
    wide = Node(
        leaf.op,
        (),
        leaf.type.with_shape((size, *leaf.type.shape)),
        {**leaf.attrs, "storage": Storage((size, *how.shape), order)},
        leaf.name,
    )
    return torch.from_numpy(input_arrays([wide], {leaf.name: array})[leaf.name])


def target_values(
    program: Program, y: Targets | Sequence[ArrayLike], sizes: tuple[int, ...]
) -> dict[str, Tensor]:
    """For each target's leaf its labels or float values [E, *shape]; raises DataError."""
    leaves = {target_name(n): n for n in program.targets}
    given = by_name(list(leaves), y, "targets")
    if set(given) != set(leaves):
        raise DataError(f"the losses read the targets {[*leaves]}, found {shown([*given])}")
    return {n.name: _target(program, n, given[name], sizes) for name, n in leaves.items()}


def _target(program: Program, leaf: Node, y: ArrayLike, sizes: tuple[int, ...]) -> Tensor:
    array = as_numbers(y, "the target")
    size = array.shape[0] if array.ndim else 0
    if size not in sizes:
        allowed = " or ".join(map(str, dict.fromkeys(sizes)))
        raise DataError(f"the target has shape {array.shape}; allowed: {allowed} rows first, one "
                        "for each experiment")  # fmt: skip
    labels = program.labels(leaf)
    return torch.from_numpy(np.stack([target_array(leaf, labels, row) for row in array]))


def learning_rates(lr: ArrayLike, experiments: int) -> Tensor:
    """float32 [experiments]; raises DataError unless all are finite."""
    rates = as_numbers(lr, "the learning rate")
    if rates.shape not in ((), (experiments,)):
        raise DataError(f"lr has shape {rates.shape}; allowed: one number, or {experiments}")
    with np.errstate(over="ignore"):
        held = rates.astype(np.float32)
    if not np.isfinite(held).all():
        raise DataError(f"the learning rates are {shown(lr)}; allowed: finite numbers")
    return torch.from_numpy(np.broadcast_to(held, (experiments,)).copy())
