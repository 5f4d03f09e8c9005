"""Examples for a program: arrays x and y, checked against what it takes, from an .npz file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.npz import read_npz
from trainlet.ir.storage import storage
from trainlet.planning.program import LOGITS, Program


@dataclass(frozen=True)
class Dataset:
    """x [n, ...] in the layout of the user's model; y [n] int labels, or float targets [n, ...]."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def read_dataset(path: str | Path, program: Program) -> Dataset:
    """The arrays x and y of an .npz file.

    Raises FileError for a file that cannot be read, DataError for what `program` cannot take.
    """
    arrays = read_npz(path, ("x", "y"))
    return dataset(program, arrays["x"], arrays["y"], str(path))


def dataset(program: Program, x: np.ndarray, y: np.ndarray, source: str = "data") -> Dataset:
    """Examples that `program` can learn from; `source` names them in errors."""
    if len(program.inputs) != 1:
        names = ", ".join(n.name for n in program.inputs)
        raise DataError(f"the model takes {len(program.inputs)} inputs ({names}); a data set has "
                        "one, x: call Trainer.step from Python instead")  # fmt: skip
    wanted = storage(program.inputs[0]).shape[1:]
    if x.shape[1:] != wanted or not x.ndim or not len(x):
        shape = ", ".join(map(str, ("n", *wanted)))
        raise DataError(f"{source}: x has shape {x.shape}; allowed: ({shape}) with n at least 1")
    if y.ndim == 0 or len(y) != len(x):
        raise DataError(f"{source}: y has shape {y.shape}; allowed: one entry for each of the "
                        f"{len(x)} rows of x")  # fmt: skip
    labels = program.target_leaf.type.dtype == "int32"
    return Dataset(_floats(x, "x", source), (_labels if labels else _targets)(program, y, source))


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


def _labels(program: Program, y: np.ndarray, source: str) -> np.ndarray:
    classes = program.graph.outputs[LOGITS].type.shape[-1]
    if y.shape != (len(y),) or y.dtype.kind not in "iu":
        raise DataError(f"{source}: y is {y.dtype} of shape {y.shape}; allowed: integer labels, "
                        "one dimension")  # fmt: skip
    if y.min() < 0 or y.max() >= classes:
        raise DataError(f"{source}: labels in {y.min()}..{y.max()}; allowed: 0..{classes - 1}")
    return y.astype(np.int32)


def _targets(program: Program, y: np.ndarray, source: str) -> np.ndarray:
    wanted = program.target_leaf.type.shape[1:]
    if y.size != len(y) * int(np.prod(wanted)):
        shape = ", ".join(map(str, ("n", *wanted)))
        raise DataError(f"{source}: y has shape {y.shape}; allowed: ({shape})")
    return _floats(y, "y", source).reshape(len(y), *wanted)
