"""How far float32 results are from exact ones, in units in the last place."""

from __future__ import annotations

import numpy as np


def check_error(found: np.ndarray, exact: np.ndarray, x: np.ndarray, allowed: float) -> None:
    """Fail where a result is more than `allowed` units from the exact one, or not the same infinity
    or NaN.

    exact: in float64; x: what the results are of, for the message
    """
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~finite], rounded[~finite])
    ulp = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    error = np.abs(found[finite] - exact[finite]) / ulp
    worst = error.argmax()
    assert error[worst] <= allowed, f"{error[worst]} at {x[finite][worst]}"
