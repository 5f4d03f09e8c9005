"""Numbers as C literals."""

from __future__ import annotations

import numpy as np

INT_MAX = 2**31 - 1


def literal(value: float) -> str:
    """A C literal that reads back as exactly this number."""
    if isinstance(value, (int, np.integer)):
        return f"{int(value)}u" if value > INT_MAX else str(int(value))
    text = f"{np.float32(value):.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")
