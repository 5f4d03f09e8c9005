"""The data of a fleet's devices, from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError
from trainlet.fleet.splits import by_person, dirichlet
from trainlet.ir.npz import read_npz
from trainlet.run.dataset import Dataset, dataset


@dataclass(frozen=True)
class Person:
    """The examples of one device: to learn from, and to test with (may be none)."""

    name: str
    learn: Dataset
    test: Dataset | None

    def divided(self, share: float, seed: int) -> Person:
        """With a share of the examples as test, drawn from the seed, where there is no test."""
        held = int(share * len(self.learn))
        if self.test is not None or not held:
            return self
        order = np.random.default_rng(seed).permutation(len(self.learn))
        return Person(self.name, _part(self.learn, order[held:]), _part(self.learn, order[:held]))


def people(
    place: str | Path, program: CompiledProgram, devices: int | None = None,
    alpha: float | None = None, seed: int = 0,
) -> list[Person]:  # fmt: skip
    """The devices of a place: a folder with an .npz file for each, in the order of their names; or
    one .npz file whose array `person` tells whose an example is, or that is divided among devices
    by a Dirichlet distribution.

    devices: how many; None for all that the place has
    alpha: of the Dirichlet distribution; None where persons divide the examples
    Raises DataError for a place without devices or with too few, or as `person` does.
    """
    if alpha is not None:
        found = _drawn(place, program, devices or 0, alpha, seed)
    elif Path(place).is_dir():
        found = [person(file, program) for file in sorted(Path(place).glob("*.npz"))]
    else:
        found = _named(place, program)
    if len(found) < (devices or 1):
        raise DataError(f"{place}: has {len(found)} devices; needed: {devices or 1}; allowed: a "
                        "folder with an .npz file for each, with the arrays x and y, or one file "
                        "with an array `person` beside them")  # fmt: skip
    return found[:devices]


def person(file: str | Path, program: CompiledProgram) -> Person:
    """Arrays x and y to learn from, and x_test and y_test where the file has them.

    Raises FileError for a file that cannot be read, DataError for what the program cannot take.
    """
    arrays = read_npz(file)
    for name in ("x", "y"):
        if name not in arrays:
            raise DataError(f"{file}: {name!r} is missing; found: {', '.join(arrays)}")
    learn = dataset(program, arrays["x"], arrays["y"], str(file))
    test = None
    if len(arrays.get("x_test", ())):
        if "y_test" not in arrays:
            raise DataError(f"{file}: has x_test without y_test")
        test = dataset(program, arrays["x_test"], arrays["y_test"], f"{file}: test")
    return Person(Path(file).stem, learn, test)


def _named(file: str | Path, program: CompiledProgram) -> list[Person]:
    arrays = read_npz(file, ("x", "y", "person"))
    whole = dataset(program, arrays["x"], arrays["y"], str(file))
    if arrays["person"].shape != (len(whole),):
        raise DataError(f"{file}: person has shape {arrays['person'].shape}; allowed: "
                        f"({len(whole)},), one for each example")  # fmt: skip
    rows = by_person(arrays["person"])
    return [Person(name, _part(whole, own), None) for name, own in rows.items()]


def _drawn(
    file: str | Path, program: CompiledProgram, devices: int, alpha: float, seed: int
) -> list[Person]:
    arrays = read_npz(file, ("x", "y"))
    whole = dataset(program, arrays["x"], arrays["y"], str(file))
    labels = np.asarray(whole.y)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{file}: a Dirichlet distribution divides classes; y is {labels.dtype} "
                        f"{labels.shape}")  # fmt: skip
    parts = dirichlet(labels, devices, alpha, seed)
    return [Person(str(k), _part(whole, rows), None) for k, rows in enumerate(parts)]


def _part(data: Dataset, rows: np.ndarray) -> Dataset:
    return Dataset(data.inputs(rows), data.targets(rows))
