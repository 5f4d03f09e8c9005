"""Which examples each device has: those of one person, or shares drawn at random."""

from __future__ import annotations

import numpy as np

from trainlet.errors import DataError
from trainlet.ir.arguments import whole


def by_person(person: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each person, by name: int64 arrays."""
    return {str(who): np.flatnonzero(person == who) for who in np.unique(person)}


def dirichlet(labels: np.ndarray, devices: int, alpha: float, seed: int) -> list[np.ndarray]:
    """Rows of each device: every class is divided by shares from a Dirichlet distribution.

    labels: int [n]; alpha: small for devices that have few classes, large for equal shares
    Every device has at least one row.  Raises DataError for fewer rows than devices, or for an
    alpha that is not above 0.
    """
    whole("devices", devices, 1, kind=DataError)
    if not alpha > 0:
        raise DataError(f"alpha={alpha}; allowed: numbers above 0")
    if len(labels) < devices:
        raise DataError(f"{len(labels)} examples for {devices} devices; each needs one")
    rng = np.random.default_rng(seed)
    rows: list[list[int]] = [[] for _ in range(devices)]
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(devices, alpha))
        ends = np.round(np.cumsum(shares)[:-1] * len(own)).astype(int)
        for device, part in enumerate(np.split(own, ends)):
            rows[device] += part.tolist()
    for device in range(devices):
        if not rows[device]:
            largest = max(range(devices), key=lambda k: len(rows[k]))
            rows[device].append(rows[largest].pop())
    return [np.array(sorted(part), np.int64) for part in rows]
