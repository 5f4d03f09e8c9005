"""How much of an input was recovered, and the floor: what a constant input scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainlet.errors import ToolchainError

LEAST = 1e-12
WINDOW = 7
"""The side of the windows that SSIM compares."""


@dataclass(frozen=True)
class Score:
    """Of one input, whose elements are scaled to 0..1 by the bounds of the data.

    mse:     of indices the share of the places that are wrong
    psnr_db: -10 log10 of the mean squared error
    ssim:    structural similarity, of [channels, height, width] with sides of at least WINDOW
    """

    mse: float
    psnr_db: float
    ssim: float | None = None


def score(found: NDArray, truth: NDArray, low: float, high: float) -> Score:
    """Of one input without a batch axis.  Raises ToolchainError without scikit-image."""
    a, b = (np.asarray((x - low) / (high - low), np.float64) for x in (found, truth))
    mse = float(np.square(a - b).mean())
    psnr = -10 * float(np.log10(max(mse, LEAST)))
    ssim = None
    if a.ndim == 3 and min(a.shape[1:]) >= WINDOW:
        compare = _optional("skimage.metrics").structural_similarity
        ssim = float(compare(b, a, data_range=1.0, channel_axis=0, win_size=WINDOW))
    return Score(mse, psnr, ssim)


def score_indices(found: NDArray, truth: NDArray, ordered: bool) -> Score:
    """Of one text; without an order, how much of it is in the set that was found."""
    right = found == truth if ordered else np.isin(truth, found)
    wrong = float(1 - right.mean())
    return Score(wrong, -10 * float(np.log10(max(wrong, LEAST))))


def floor_db(truth: NDArray, low: float, high: float, expected: NDArray | None = None) -> float:
    """The PSNR of the best constant input: the mean, or the most frequent index.

    expected: what an attacker without a message expects, the mean of public examples for example;
    it is the floor where it is nearer
    """
    if truth.dtype.kind in "iu":
        values, counts = np.unique(truth, return_counts=True)
        return score_indices(np.full_like(truth, values[counts.argmax()]), truth, True).psnr_db
    constant = np.full_like(truth, truth.mean())
    known = [constant] if expected is None else [constant, expected]
    return max(score(guess, truth, low, high).psnr_db for guess in known)


def matched(found: NDArray, truth: NDArray) -> NDArray:
    """The order of the recovered inputs [batch, ...] with the least total squared error: the
    gradient of a batch does not tell the order of its examples.

    Raises ToolchainError without scikit-image, whose requirement SciPy finds it.
    """
    if len(found) == 1:
        return np.zeros(1, np.int64)
    a, b = found.reshape(len(found), -1), truth.reshape(len(truth), -1)
    costs = np.square(b[:, None] - a[None]).mean(2)
    return _optional("scipy.optimize").linear_sum_assignment(costs)[1]


def _optional(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ToolchainError(
            f"an audit needs {name.partition('.')[0]}, which is not installed; "
            "install trainlet[privacy]"
        ) from None
