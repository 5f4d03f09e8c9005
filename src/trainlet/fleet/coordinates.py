"""Which values of a network the devices of a fleet share, and where each lies in one vector."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np

from trainlet.errors import SchemeError, StateError
from trainlet.ir.storage import kept_type, storage
from trainlet.planning.program import Program
from trainlet.run.simulated import OracleDevice
from trainlet.run.state import learned_elements
from trainlet.run.trainer import Trainer

Masks = Mapping[str, np.ndarray]
"""{parameter: bool array in the shape of the user's model}, true where a value is shared."""


@dataclass(frozen=True)
class Coordinates:
    """The shared values of a fleet as one float32 vector: parameter after parameter by name, each
    in the order of the user's array.  A value is a coordinate where any device trains it."""

    masks: Masks

    @cached_property
    def names(self) -> list[str]:
        """The parameters in the order of the vector."""
        return sorted(name for name, mask in self.masks.items() if mask.any())

    @cached_property
    def sizes(self) -> list[int]:
        """Coordinates of each parameter, in the order of the vector."""
        return [int(self.masks[name].sum()) for name in self.names]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    @cached_property
    def fingerprint(self) -> int:
        """Of names, shapes and masks."""
        parts = [(n, self.masks[n].shape, zlib.crc32(np.packbits(self.masks[n]).tobytes())) for n in
                 self.names]  # fmt: skip
        return zlib.crc32(json.dumps(parts).encode())

    def take(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The vector [size] of a trained state, as `Trainer.state` returns it."""
        values = [np.asarray(state[name], np.float32)[self.masks[name]] for name in self.names]
        return np.concatenate(values) if values else np.zeros(0, np.float32)

    def put(self, vector: np.ndarray, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The state with the values of a vector [size] in their places."""
        made, at = dict(state), 0
        for name, size in zip(self.names, self.sizes, strict=True):
            array = np.array(state[name], np.float32)
            array[self.masks[name]] = vector[at : at + size]
            made[name], at = array, at + size
        return made

    def index(self, part: Coordinates) -> np.ndarray:
        """Where the coordinates of a part lie in this vector: int64 [part.size].

        Raises SchemeError for a part that has other parameters, shapes or coordinates.
        """
        numbers, at = {}, 0
        for name, size in zip(self.names, self.sizes, strict=True):
            whole = np.full(self.masks[name].shape, -1, np.int64)
            whole[self.masks[name]] = np.arange(at, at + size)
            numbers[name], at = whole, at + size
        found = []
        for name in part.names:
            mask = part.masks[name]
            own = numbers.get(name)
            if own is None or own.shape != mask.shape or (own[mask] < 0).any():
                raise SchemeError(f"{name!r} of shape {mask.shape} is not, or not wholly, among "
                                  "what the fleet shares; make the fleet's coordinates from all "
                                  "programs of its devices")  # fmt: skip
            found.append(own[mask])
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def shared_by(program: Program, personal: Iterable[str] = ()) -> Coordinates:
    """What a program trains, without the personal parameters.

    personal: patterns of names, such as "classifier.*"; these never leave the device
    Raises SchemeError if a pattern matches no trained parameter, or if nothing is left to share.
    """
    patterns = list(personal)
    trained = {n.name: learned_elements(n) for n in program.params}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in trained):
            raise SchemeError(f"no trained parameter matches the personal pattern {pattern!r}; "
                              f"trained: {', '.join(trained)}")  # fmt: skip
    kept = {
        name: mask
        for name, mask in trained.items()
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    if not kept:
        raise SchemeError("every trained parameter is personal, so the devices share nothing; "
                          f"leave some of these out: {', '.join(patterns)}")  # fmt: skip
    return Coordinates(kept)


def union(parts: Iterable[Coordinates]) -> Coordinates:
    """The coordinates that any of these shares.

    Raises SchemeError where a parameter has two shapes.
    """
    masks: dict[str, np.ndarray] = {}
    for part in parts:
        for name, mask in part.masks.items():
            if name in masks and masks[name].shape != mask.shape:
                raise SchemeError(f"{name!r} has the shapes {masks[name].shape} and {mask.shape}; "
                                  "all devices of a fleet train the same network")  # fmt: skip
            masks[name] = masks[name] | mask if name in masks else mask.copy()
    return Coordinates(masks)


def fingerprint(program: Program, shared: Coordinates) -> int:
    """Of what gives the shared numbers their meaning: names, shapes, masks, the scales of integers.

    Two devices whose fingerprints are equal send vectors of the same coordinates in the same units.
    """
    described = []
    for n in program.params:
        if n.name in shared.names:
            how, quant = storage(n), kept_type(n).quant
            scale = list(quant.scale) if quant else []
            bits = how.planes.bits if how.planes else 0
            mask = zlib.crc32(np.packbits(shared.masks[n.name]).tobytes())
            described.append([n.name, list(how.shape), mask, n.type.dtype, bits, scale])
    return zlib.crc32(json.dumps(sorted(described)).encode())


def initial(program: Program, shared: Coordinates) -> np.ndarray:
    """The vector [shared.size] of the pretrained network, as the program's device has it."""
    with Trainer(program, OracleDevice(program)) as trainer:
        return shared.take(trainer.state())


def check_vector(vector: np.ndarray, size: int, what: str) -> np.ndarray:
    """The vector in float32; raises StateError unless it has this size and is finite."""
    array = np.asarray(vector, np.float32)
    if array.shape != (size,):
        raise StateError(f"{what} has shape {array.shape}; allowed: ({size},)")
    if not np.isfinite(array).all():
        raise StateError(f"{what} holds NaN or infinity")
    return array
