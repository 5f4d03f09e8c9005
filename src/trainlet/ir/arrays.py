"""Whatever a user hands over as an array - of NumPy, torch, or lists - as numbers of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from trainlet.errors import DataError, TrainletError, shown

NUMBERS = "iubf"
"""NumPy's kinds of integers, truth values and floats: all but complex numbers."""


def as_numbers(value: Any, what: str, kind: type[TrainletError] = DataError) -> np.ndarray:
    """The array; one of torch is detached and brought to this machine's memory first.

    value: anything that numpy.asarray takes, and tensors of any device and float type.
    what:  names it in errors, such as "input 'x'".
    Raises `kind` for what is no dense array of real numbers.
    """
    if isinstance(value, torch.Tensor):
        value = _of_torch(value, what, kind)
    try:
        array = np.asarray(value)
    except Exception as error:  # __array__ is the user's own code
        raise kind(f"{what} is not an array of numbers: {type(error).__name__}: {error}") from None
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise kind(f"{what} has masked values; fill them")
    if array.dtype.kind not in NUMBERS:
        found = f"{array.dtype} ({shown(value)})"
        raise kind(f"{what} is not an array of numbers: {found}; allowed: numbers")
    return array


def _of_torch(tensor: torch.Tensor, what: str, kind: type[TrainletError]) -> Any:
    if tensor.is_quantized or tensor.layout is not torch.strided or tensor.is_nested:
        raise kind(f"{what} is a quantized, sparse or nested tensor; allowed: a dense one of "
                   "numbers (dequantize, to_dense)")  # fmt: skip
    if tensor.is_meta or isinstance(tensor, torch._subclasses.FakeTensor):
        raise kind(f"{what} is a tensor without data (device 'meta'); allowed: one with data")
    try:
        plain = tensor.detach().cpu()
        return plain.float() if plain.dtype.itemsize <= 2 and plain.is_floating_point() else plain
    except Exception as error:  # a subclass of Tensor may refuse anything
        raise kind(f"{what} is not a plain tensor: {type(error).__name__}: {error}") from None


def as_floats(value: Any, what: str, kind: type[TrainletError] = DataError) -> np.ndarray:
    """The array as finite float32; raises `kind` for NaN, and for what float32 cannot hold."""
    array = as_numbers(value, what, kind)
    with np.errstate(over="ignore", invalid="ignore"):
        floats = array.astype(np.float32)
    if not np.isfinite(floats).all():
        raise kind(f"{what} holds NaN or infinity (as float32); clean it")
    return floats


SAMPLES = ("int16", "uint8")
"""The types of a sensor's samples."""


def as_samples(array: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """The array as `dtype`, one of SAMPLES; raises DataError unless it holds integers that this can
    hold."""
    limits = np.iinfo(dtype)
    allowed = f"{limits.min}..{limits.max}"
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{what} is {array.dtype}; allowed: integers in {allowed}, as the sensor gives them"
        )
    samples = array.astype(dtype)
    if (samples != array).any():
        found = f"{array.min()}..{array.max()}"
        raise DataError(f"{what} holds integers in {found}; allowed: {allowed}")
    return samples


def as_indices(array: np.ndarray, below: int, what: str) -> np.ndarray:
    """The array as int32; raises DataError unless it holds integers in 0..below - 1."""
    if array.dtype.kind not in "iu":
        raise DataError(f"{what} is {array.dtype}; allowed: integers in 0..{below - 1}")
    if array.size and (array.min() < 0 or array.max() >= below):
        found = f"{array.min()}..{array.max()}"
        raise DataError(f"{what} holds integers in {found}; allowed: 0..{below - 1}")
    return array.astype(np.int32)
