"""Examples for a program: arrays x and y, checked against what it takes, from an .npz file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.arrays import as_indices
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
    of several targets one array each, by name."""

    x: np.ndarray
    y: np.ndarray | Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.x)

    def targets(self, rows: np.ndarray) -> Any:
        """The targets of some rows, as `Trainer.step` takes them."""
        if isinstance(self.y, Mapping):
            return {name: array[rows] for name, array in self.y.items()}
        return self.y[rows]


def read_dataset(path: str | Path, program: Program) -> Dataset:
    """The arrays x and y of an .npz file; of several targets y_<name> each.

    Raises FileError for a file that cannot be read, DataError for what `program` cannot take.
    """
    keys = target_keys([target_name(n) for n in program.targets])
    arrays = read_npz(path, ("x", *keys.values()))
    y = {name: arrays[key] for name, key in keys.items()}
    return dataset(program, arrays["x"], y, str(path))


def target_keys(names: Iterable[str]) -> dict[str, str]:
    """What the array of each target is called in a file: y where it is one, else y_<name>."""
    listed = list(names)
    return {name: f"y_{name}" if len(listed) > 1 else "y" for name in listed}


def dataset(
    program: Program,
    x: np.ndarray,
    y: np.ndarray | Mapping[str, np.ndarray],
    source: str = "data",
) -> Dataset:
    """Examples that `program` can learn from; `source` names them in errors."""
    if len(program.inputs) != 1:
        names = ", ".join(n.name for n in program.inputs)
        raise DataError(f"the model takes {len(program.inputs)} inputs ({names}); a data file has "
                        "one, x: call Trainer.step from Python instead")  # fmt: skip
    wanted = storage(program.inputs[0]).shape[1:]
    if x.shape[1:] != wanted or not x.ndim or not len(x):
        shape = ", ".join(map(str, ("n", *wanted)))
        raise DataError(f"{source}: x has shape {x.shape}; allowed: ({shape}) with n at least 1")
    leaves = {target_name(n): n for n in program.targets}
    given = by_name(list(leaves), y, "targets")
    if set(given) != set(leaves):
        raise DataError(f"{source}: the targets are {[*given]}; allowed: {[*leaves]}")
    checked = {
        name: _checked(program, n, np.asarray(given[name]), len(x), source)
        for name, n in leaves.items()
    }
    several = len(checked) != 1
    kind = program.inputs[0]
    if kind.type.dtype == "int32":
        x = as_indices(x, kind.attrs["below"], f"{source}: x")
    else:
        x = _floats(x, "x", source)
    return Dataset(x, checked if several else next(iter(checked.values())))


def _checked(program: Program, leaf: Node, y: np.ndarray, rows: int, source: str) -> np.ndarray:
    """One target of a data set; raises DataError."""
    name = f"y_{target_name(leaf)}" if len(program.targets) > 1 else "y"
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
