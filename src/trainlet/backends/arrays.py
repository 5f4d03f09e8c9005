"""Arrays of numbers as C writes them."""

from __future__ import annotations

import numpy as np

from trainlet.backends.interface import CTYPES
from trainlet.backends.names import comment
from trainlet.ops.literal import literal


def but_zeros(values: np.ndarray) -> np.ndarray:
    """The flat array without trailing zeros; at least one element stays."""
    flat = values.reshape(-1)
    last = np.flatnonzero(flat)
    return flat[: max(1, int(last[-1]) + 1 if last.size else 0)]


def array_text(prefix: str, name: str, label: str, values: np.ndarray) -> str:
    """A constant array with a comment, where the trainer of that prefix places its weights."""
    flat = [literal(v) for v in values.reshape(-1).tolist()]
    width = 8 if values.dtype == np.float32 else 16
    lines = [", ".join(flat[k : k + width]) for k in range(0, len(flat), width)]
    ctype, body = CTYPES[str(values.dtype)], ",\n  ".join(lines)
    begin = f"static {prefix.upper()}_WEIGHTS_ATTRIBUTE const {ctype}"
    return f"{comment(label)}\n{begin} {name}[{len(flat)}] = {{\n  {body}}};\n"
