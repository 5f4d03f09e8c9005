"""Calibration inputs: they are checked, cut into batches, and run through the network to find the
ranges of its activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainlet.errors import DataError, UnsupportedError, shown
from trainlet.frontends.indices import INDICES, SENSED
from trainlet.frontends.sizes import check_dense
from trainlet.ir.arrays import as_numbers, as_samples
from trainlet.ir.bounds import FILE_BYTES, TENSOR_BYTES
from trainlet.progress import stage

MOST_BATCHES = 100_000
PART_BYTES = 64 << 20
"""Of the inputs that run through the network at once."""

Progress = Callable[[int, int], Any]
Batch = list[torch.Tensor]


def _several(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def example_inputs(example: Any) -> Batch:
    """The example as tensors of float32, of int16 or uint8 where it holds samples, or of int64
    where it holds indices: one, or a tuple in the order of `forward`'s arguments.

    Raises DataError for what holds no numbers, UnsupportedError for other inputs than floats.
    """
    if example is None:
        raise DataError("a torch.nn.Module needs example_inputs: one tensor, or a tuple of them")
    if isinstance(example, (Mapping, str, bytes)):
        raise DataError(f"example_inputs is {shown(example)}; allowed: one tensor, or a tuple of "
                        "them in the order of forward's arguments")  # fmt: skip
    return [_example(k, x) for k, x in enumerate(_several(example))]


def _example(k: int, value: Any) -> torch.Tensor:
    what = f"example input {k}"
    tensor = value if isinstance(value, torch.Tensor) else torch.tensor(as_numbers(value, what))
    indices, samples = tensor.dtype in INDICES, tensor.dtype in SENSED
    if (
        not (tensor.is_floating_point() or indices or samples)
        or not tensor.ndim
        or not tensor.numel()
    ):
        raise UnsupportedError(
            f"{what} is {tensor.dtype} of shape {tuple(tensor.shape)}; allowed: torch.float32, "
            "torch.int16 or torch.uint8 of samples, or torch.int64 of indices, with the batch as "
            "the first dimension"
        )
    TENSOR_BYTES.check(4 * tensor.numel(), f"{what} of shape {tuple(tensor.shape)}", DataError)
    check_dense(tensor, what)
    if samples:
        return tensor.detach()
    return tensor.detach().long() if indices else tensor.detach().float()


def calibration_batches(calibration: Any, inputs: Batch) -> list[Batch]:
    """The batches as tensors; one array of the example's rank is one batch.

    Of a batch with one part more than the model has inputs, a vector, that part is labels and is
    left out, so a DataLoader of (x, label) will do.  Raises DataError for what cannot be used, with
    the batch's number.
    """
    if isinstance(calibration, (np.ndarray, torch.Tensor)) and calibration.ndim == inputs[0].ndim:
        calibration = [calibration]
    if isinstance(calibration, (str, bytes, Path, Mapping)) or not _iterable(calibration):
        raise DataError(f"calibration is {shown(calibration)}; allowed: a list of batches of "
                        'inputs, such as [numpy.load("inputs.npz")["x"]]')  # fmt: skip
    batches: list[Batch] = []
    size = 0
    for k, batch in enumerate(calibration):
        batches.append(_checked(k, batch, inputs))
        size += sum(x.numel() * 4 for x in batches[-1])
        FILE_BYTES.check(size, f"{k + 1} calibration batches", DataError)
        if k == MOST_BATCHES:
            raise DataError(f"over {MOST_BATCHES:,} calibration batches; a hundred are enough: "
                            "list(itertools.islice(batches, 100))")  # fmt: skip
    if not batches:
        raise DataError("no calibration batches; pass about a hundred typical inputs")
    return batches


def _iterable(value: Any) -> bool:
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__")


def _checked(at: int, batch: Any, inputs: Batch) -> Batch:
    where, parts = f"calibration batch {at}", _several(batch)
    if isinstance(batch, Mapping):
        raise DataError(f"{where} is a mapping; allowed: one array, or a tuple of them in the "
                        "order of forward's arguments")  # fmt: skip
    if len(parts) == len(inputs) + 1 and getattr(parts[-1], "ndim", 0) == 1:
        parts = parts[:-1]
    if len(parts) != len(inputs):
        raise DataError(f"{where} has {len(parts)} inputs, the model takes {len(inputs)}; if the "
                        "rest are labels, pass [x for x, _ in batches]")  # fmt: skip
    found = [_numbers(where, part, like) for part, like in zip(parts, inputs, strict=True)]
    if len({len(x) for x in found}) != 1:
        raise DataError(f"{where}: its inputs differ in the number of examples")
    return found


def _numbers(where: str, part: Any, like: torch.Tensor) -> torch.Tensor:
    array = as_numbers(part, where)
    if array.ndim != like.ndim or array.shape[1:] != like.shape[1:] or not array.size:
        allowed = ", ".join(["batch", *map(str, like.shape[1:])])
        raise DataError(f"{where} has shape {array.shape}; allowed: ({allowed})")
    if like.dtype in SENSED:
        return torch.tensor(as_samples(array, SENSED[like.dtype], where))
    if not like.is_floating_point():
        if array.dtype.kind not in "iu" or array.min() < 0:
            raise DataError(f"{where} is {array.dtype}; allowed: integers that are not negative")
        return torch.tensor(array.astype(np.int64))
    with np.errstate(over="ignore"):
        # the strides of dimensions of size 1 choose a float kernel, and so the last bit
        x = torch.tensor(array.astype(np.float32)).clone(memory_format=torch.contiguous_format)
    if not torch.isfinite(x).all():
        count = int((~torch.isfinite(x)).sum())
        raise DataError(f"{where} holds {count} values that are NaN or infinite")
    return x


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
                try:
                    result = module(*part)
                except IndexError as error:
                    raise DataError(f"calibration batch {k}: {error}; an index is too large"
                                    ) from None  # fmt: skip
                if isinstance(result, torch.Tensor) and not torch.isfinite(result).all():
                    raise DataError(f"calibration batch {k}: the network returns NaN or infinity")
            if progress:
                progress(k + 1, len(batches))


def _parts(batch: Batch, size: int | None) -> list[Batch]:
    """Cut to the one batch size that the network takes; the last part is filled by repetition.

    If it takes any, then only where a batch is so large that its maps would not fit the memory.
    """
    count = len(batch[0])
    if size is None:
        rows = max(1, PART_BYTES * count // sum(x.nbytes for x in batch))
        return [[x[at : at + rows] for x in batch] for at in range(0, count, rows)]
    rows = torch.arange(-(-count // size) * size) % count
    return [[x[chosen] for x in batch] for chosen in rows.split(size)]
