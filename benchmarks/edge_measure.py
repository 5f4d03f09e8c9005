"""Time and resident memory of the process that runs one cell of `edge.py`; needs NumPy only."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM, LEAST = 3, 7


class Measured(NamedTuple):
    """CPU milliseconds of a step, the smallest and the median, and the first and last loss."""

    fastest: float
    median: float
    losses: tuple[float, float]


class Resident:
    """How much memory the process takes, from now on and at most."""

    def __init__(self) -> None:
        self.before = _kilobytes("VmRSS")

    def extra(self) -> int:
        """Bytes by which the largest size since the start exceeds the size at the beginning."""
        return 1024 * (_kilobytes("VmHWM") - self.before)

    def whole(self) -> int:
        """The largest size of the process in bytes, with the libraries that it has loaded."""
        return 1024 * _kilobytes("VmHWM")


def measured(step: Callable[[], float], seconds: float) -> Measured:
    """Runs a step again and again for so many seconds of CPU time, and some times at least."""
    losses = [step() for _ in range(WARM)]
    times: list[float] = []
    while len(times) < LEAST or sum(times) < seconds:
        start = time.process_time()
        losses.append(step())
        times.append(time.process_time() - start)
    ms = 1000 * np.array(times)
    return Measured(float(ms.min()), float(np.median(ms)), (losses[0], losses[-1]))


def report(found: Measured, resident: Resident, **more: float | None) -> None:
    """Print a cell's result as a line of JSON."""
    row = {**found._asdict(), "extra_bytes": resident.extra(), "whole_bytes": resident.whole()}
    print(json.dumps({**row, **more}))


def _kilobytes(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(rf"{field}:\s*(\d+) kB", text)[1])
