"""Examples and labels as the training loops take them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from trainlet.errors import DataError, ShapeError


def examples(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """x as float32 [n, ..] and y as int64 [n].  Raises DataError if they do not fit."""
    xs, ys = np.asarray(x), np.asarray(y)
    if ys.ndim != 1 or ys.dtype.kind not in "iu" or xs.ndim < 2 or len(xs) != len(ys):
        raise DataError(f"x is {xs.dtype} {list(xs.shape)} and y {ys.dtype} {list(ys.shape)}; "
                        "allowed: examples [n, ..] and an integer label for each")  # fmt: skip
    xs = xs.astype(np.float32)
    if not np.isfinite(xs).all():
        raise DataError("x has numbers that are not finite")
    return xs, ys.astype(np.int64)


def features_of(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Features [n, d].  Raises ShapeError if the network gives anything else."""
    found = network(x)
    if not isinstance(found, torch.Tensor) or found.dim() != 2 or len(found) != len(x):
        shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ShapeError(f"the network gives {shape} for {list(x.shape)}; allowed: features "
                         "[n, d], one row for each example: leave out the classifier")  # fmt: skip
    return found
