"""The inputs that show a network's ranges: checked, cut into batches, run through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trainlet.errors import DataError, UnsupportedError
from trainlet.progress import stage

Progress = Callable[[int, int], Any]
Batch = list[torch.Tensor]


def _several(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def example_inputs(example: Any) -> Batch:
    """The example as float32 tensors; raises UnsupportedError for other inputs than floats."""
    tensors = [torch.as_tensor(x) for x in _several(example)]
    for k, x in enumerate(tensors):
        if not x.is_floating_point() or not x.ndim or not x.numel():
            raise UnsupportedError(
                f"example input {k} is {x.dtype} of shape {tuple(x.shape)}; allowed: floats, with "
                "the batch as the first dimension"
            )
    return [x.detach().float() for x in tensors]


def calibration_batches(calibration: Any, inputs: Batch) -> list[Batch]:
    """The batches as tensors; one array of the example's rank is one batch.

    Raises DataError for what cannot be used, with the batch's number.
    """
    if isinstance(calibration, (np.ndarray, torch.Tensor)) and calibration.ndim == inputs[0].ndim:
        calibration = [calibration]
    batches = [_checked(k, batch, inputs) for k, batch in enumerate(calibration)]
    if not batches:
        raise DataError("no calibration batches; a hundred typical inputs are a good start")
    return batches


def _checked(at: int, batch: Any, inputs: Batch) -> Batch:
    where, parts = f"calibration batch {at}", _several(batch)
    if len(parts) != len(inputs):
        raise DataError(f"{where} has {len(parts)} inputs, the model takes {len(inputs)}")
    found = []
    for part, like in zip(parts, inputs, strict=True):
        try:
            # the strides of dimensions of size 1 choose a float kernel, and so the last bit
            x = torch.as_tensor(np.asarray(part, np.float32))
            x = x.clone(memory_format=torch.contiguous_format)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{where} is no array of numbers: {error}") from None
        if x.ndim != like.ndim or x.shape[1:] != like.shape[1:] or not x.numel():
            allowed = ", ".join(["batch", *map(str, like.shape[1:])])
            raise DataError(f"{where} has shape {tuple(x.shape)}; allowed: ({allowed})")
        if not torch.isfinite(x).all():
            count = int((~torch.isfinite(x)).sum())
            raise DataError(f"{where} holds {count} values that are NaN or infinite")
        found.append(x)
    if len({len(x) for x in found}) != 1:
        raise DataError(f"{where}: its inputs differ in the number of examples")
    return found


def calibrate(
    module: torch.nn.Module,
    batches: list[Batch],
    batch_size: int | None,
    progress: Progress | None,
) -> None:
    """Run all batches; `batch_size` is the network's, if it takes no other."""
    done, total = 0, sum(-(-len(b[0]) // (batch_size or len(b[0]))) for b in batches)
    with torch.no_grad():
        for k, batch in enumerate(batches):
            for part in _parts(batch, batch_size):
                stage("calibrate", done, total)
                done += 1
                result = module(*part)
                if isinstance(result, torch.Tensor) and not torch.isfinite(result).all():
                    raise DataError(
                        f"calibration batch {k}: the network answers with NaN or infinity"
                    )
            if progress:
                progress(k + 1, len(batches))


def _parts(batch: Batch, size: int | None) -> list[Batch]:
    """Cut to the one batch size that the network takes; the last part is filled by repetition."""
    if size is None:
        return [batch]
    count = len(batch[0])
    rows = torch.arange(-(-count // size) * size) % count
    return [[x[chosen] for x in batch] for chosen in rows.split(size)]
