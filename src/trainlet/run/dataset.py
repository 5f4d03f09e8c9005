"""Examples for a program, of inputs x and targets y: checked against what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.arrays import SAMPLES, as_indices, as_samples
from trainlet.ir.graph import Node
from trainlet.ir.npz import read_npz
from trainlet.ir.roles import target_name
from trainlet.ir.storage import storage
from trainlet.ops.objective import Labels
from trainlet.planning.program import Program
from trainlet.run.trainer import by_name


@dataclass(frozen=True)
class Dataset:
    """x [n, ...] in the layout of the user's model; y [n] int labels, or float targets [n, ...];
    of several inputs or targets one array each, by name."""

    x: np.ndarray | Mapping[str, np.ndarray]
    y: np.ndarray | Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.x.values())) if isinstance(self.x, Mapping) else self.x)

    def inputs(self, rows: np.ndarray) -> Any:
        """The inputs of some rows, as `Trainer.step` takes them."""
        return _rows(self.x, rows)

    def targets(self, rows: np.ndarray) -> Any:
        """The targets of some rows, as `Trainer.step` takes them."""
        return _rows(self.y, rows)


def _rows(arrays: np.ndarray | Mapping[str, np.ndarray], rows: np.ndarray) -> Any:
    if isinstance(arrays, Mapping):
        return {name: array[rows] for name, array in arrays.items()}
    return arrays[rows]


def read_dataset(path: str | Path, program: Program) -> Dataset:
    """The arrays x and y of an .npz file; of several inputs x_<name> each, of several targets
    y_<name>.

    Raises FileError for a file that cannot be read, DataError for what `program` cannot take.
    """
    inputs = file_keys("x", [n.name for n in program.inputs])
    targets = file_keys("y", [target_name(n) for n in program.targets])
    x, y = read_named(path, inputs, targets)
    return dataset(program, x, y, str(path))


def file_keys(array: str, names: Iterable[str]) -> dict[str, str]:
    """What the array of each input (x) or target (y) is called in a file: x where it is one, else
    x_<name>."""
    listed = list(names)
    return {name: f"{array}_{name}" if len(listed) > 1 else array for name in listed}


def read_named(path: str | Path, *keys: Mapping[str, str]) -> list[dict[str, np.ndarray]]:
    """The arrays of an .npz file, for each of these {name: what it is called in the file}.

    Raises what `read_npz` raises.
    """
    arrays = read_npz(path, [key for named in keys for key in named.values()])
    return [{name: arrays[key] for name, key in named.items()} for named in keys]


def dataset(
    program: Program,
    x: np.ndarray | Mapping[str, np.ndarray],
    y: np.ndarray | Mapping[str, np.ndarray],
    source: str = "data",
) -> Dataset:
    """Examples that `program` can learn from; `source` names them in errors.

    Raises DataError for arrays that it cannot take.
    """
    inputs = {n.name: n for n in program.inputs}
    given = by_name(list(inputs), x, "inputs")
    if set(given) != set(inputs):
        raise DataError(f"{source}: the inputs are {[*given]}; allowed: {[*inputs]}")
    keys, batch = file_keys("x", inputs), storage(program.inputs[0]).shape[0]
    examples = {
        name: _examples(n, np.asarray(given[name]), batch, keys[name], source)
        for name, n in inputs.items()
    }
    rows = len(next(iter(examples.values())))
    for name, array in examples.items():
        if len(array) != rows:
            raise DataError(f"{source}: {keys[name]} has {len(array)} rows; allowed: {rows}, as "
                            "the first input has")  # fmt: skip
    leaves = {target_name(n): n for n in program.targets}
    wanted = by_name(list(leaves), y, "targets")
    if set(wanted) != set(leaves):
        raise DataError(f"{source}: the targets are {[*wanted]}; allowed: {[*leaves]}")
    keys = file_keys("y", leaves)
    checked = {
        name: _checked(program, n, np.asarray(wanted[name]), rows, keys[name], source)
        for name, n in leaves.items()
    }
    return Dataset(_alone(examples), _alone(checked))


def _alone(arrays: dict[str, np.ndarray]) -> np.ndarray | Mapping[str, np.ndarray]:
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _examples(leaf: Node, x: np.ndarray, batch: int, name: str, source: str) -> np.ndarray:
    """One input of a data set; raises DataError."""
    own, *wanted = storage(leaf).shape
    if own != batch:
        raise DataError(f"the input {leaf.name!r} has {own} rows in a batch of {batch}, so it is "
                        "not a part of each example: call Trainer.step from Python, or make it a "
                        "buffer of the model")  # fmt: skip
    if x.shape[1:] != tuple(wanted) or not x.ndim or not len(x):
        shape = ", ".join(map(str, ("n", *wanted)))
        raise DataError(f"{source}: {name} has shape {x.shape}; allowed: ({shape}) with n at "
                        "least 1")  # fmt: skip
    if leaf.type.dtype in SAMPLES:
        return as_samples(x, leaf.type.dtype, f"{source}: {name}")
    if leaf.type.dtype == "int32":
        return as_indices(x, leaf.attrs["below"], f"{source}: {name}")
    return _floats(x, name, source)


def _checked(
    program: Program, leaf: Node, y: np.ndarray, rows: int, name: str, source: str
) -> np.ndarray:
    """One target of a data set; raises DataError."""
    if y.ndim == 0 or len(y) != rows:
        raise DataError(f"{source}: {name} has shape {y.shape}; allowed: one entry for each of the "
                        f"{rows} rows of x")  # fmt: skip
    if labels := program.labels(leaf):
        return _labels(labels, leaf, y, name, source)
    return _targets(leaf, y, name, source)


def _floats(array: np.ndarray, name: str, source: str) -> np.ndarray:
    if array.dtype.kind not in "iubf":
        raise DataError(f"{source}: {name} is {array.dtype}; allowed: numbers")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32, copy=False)
    bad = len(values) - int(np.isfinite(values.reshape(len(values), -1)).all(1).sum())
    if bad:
        raise DataError(f"{source}: {bad} of {len(values)} rows of {name} hold NaN or values that "
                        "are infinite in float32; clean them")  # fmt: skip
    return values


def _labels(labels: Labels, leaf: Node, y: np.ndarray, name: str, source: str) -> np.ndarray:
    if y.shape[1:] != leaf.type.shape[1:] or y.dtype.kind not in "iu":
        raise DataError(f"{source}: {name} is {y.dtype} of shape {y.shape}; allowed: integer "
                        f"labels, {_dimensions(leaf)}")  # fmt: skip
    if labels.refused(y).size:
        raise DataError(f"{source}: labels in {y.min()}..{y.max()}; allowed: {labels}")
    return y.astype(np.int32)


def _dimensions(leaf: Node) -> str:
    shape = ", ".join(map(str, ("n", *leaf.type.shape[1:])))
    return f"({shape})" if leaf.type.rank > 1 else "one dimension"


def _targets(leaf: Node, y: np.ndarray, name: str, source: str) -> np.ndarray:
    wanted = leaf.type.shape[1:]
    if y.size != len(y) * int(np.prod(wanted)):
        raise DataError(f"{source}: {name} has shape {y.shape}; allowed: {_dimensions(leaf)}")
    return _floats(y, name, source).reshape(len(y), *wanted)
