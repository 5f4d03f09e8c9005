"""The last finished round on the disk, from which a server that was killed continues."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.errors import StateError
from trainlet.files import write_bytes
from trainlet.fleet.coordinates import check_vector
from trainlet.ir.npz import read_npz

KEYS = ("round", "layout", "model", "rest", "bytes", "change_sizes", "changes")
COMBINE = "combine."


@dataclass(frozen=True)
class Finished:
    """What a server knows after a round.

    model: float32 [size]; rest: float64 [size], what the encoding of the changes rounded away
    changes: the encoded changes of the last rounds, the newest last
    combine: what the combination of updates remembers, by name
    """

    round: int
    model: np.ndarray
    rest: np.ndarray
    changes: tuple[bytes, ...]
    bytes_up: int
    bytes_down: int
    combine: Mapping[str, np.ndarray]


def write_journal(path: Path, fingerprint: int, finished: Finished) -> None:
    """Replace the file as a whole; it is on the disk when this returns.  Raises FileError."""
    file = io.BytesIO()
    arrays: dict[str, Any] = {COMBINE + name: kept for name, kept in finished.combine.items()}
    arrays |= {
        "round": np.int64(finished.round),
        "layout": np.int64(fingerprint),
        "model": finished.model,
        "rest": finished.rest,
        "bytes": np.array([finished.bytes_up, finished.bytes_down]),
        "change_sizes": np.array([len(one) for one in finished.changes], np.int64),
        "changes": np.frombuffer(b"".join(finished.changes), np.uint8),
    }
    np.savez(file, **arrays)
    write_bytes(path, file.getvalue())


def read_journal(path: Path, fingerprint: int, size: int) -> Finished | None:
    """The last finished round, or None where the file does not exist.

    Raises StateError for a file of another fleet, FileError or DataError for one that cannot be
    read.
    """
    if not path.exists():
        return None
    arrays = read_npz(path)
    if missing := [name for name in KEYS if name not in arrays]:
        raise StateError(f"{path}: is no journal of a fleet: {missing[0]!r} is missing")
    if int(arrays["layout"]) != fingerprint:
        raise StateError(f"{path}: is the journal of a fleet that shares other values; name "
                         "another file, or remove it to begin again")  # fmt: skip
    model = check_vector(arrays["model"], size, f"{path}: the model")
    if arrays["rest"].shape != (size,) or arrays["change_sizes"].sum() != arrays["changes"].size:
        raise StateError(f"{path}: is damaged: its arrays do not fit together")
    ends = np.cumsum(arrays["change_sizes"])
    changes = np.split(arrays["changes"], ends[:-1]) if len(ends) else []
    combine = {k.removeprefix(COMBINE): v for k, v in arrays.items() if k.startswith(COMBINE)}
    up, down = (int(n) for n in arrays["bytes"])
    whole = tuple(one.tobytes() for one in changes)
    return Finished(int(arrays["round"]), model, arrays["rest"], whole, up, down, combine)
