"""Every way in which a file of the user's comes in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch

import trainlet as tl
from errors.small import CLASSES, SHAPE, compiled, example, saved
from trainlet.ir.files import read_file
from trainlet.run.dataset import read_dataset


@cache
def program() -> tl.CompiledProgram:
    return compiled()


def _state(path: Path) -> None:
    """What `trainlet run --load` does."""
    with program().build("host") as trainer:
        trainer.load(read_file(path))


READERS: dict[str, Callable[[Path], object]] = {
    "pt2": tl.load,
    "tflite": tl.load,
    "onnx": tl.load,
    "npz": lambda path: read_dataset(path, program()),
    "backbone.npz": lambda path: tl.load(path, classes=2),
    "toml": lambda path: compiled(scheme=tl.UpdateScheme.load(path)),
    "state": _state,
}
"""By the end of the file's name."""


def write_good(folder: Path) -> dict[str, Path]:
    """A good file of each kind but backbones, which are large, and .tflite and .onnx files,
    which torch does not write alone."""
    paths = {kind: folder / f"good.{kind}" for kind in ("npz", "toml", "state")}
    np.savez(paths["npz"], x=np.repeat(example(), 3, 0), y=np.arange(3) % CLASSES)
    paths["toml"].write_text(tl.UpdateScheme({"fc.bias": 1, "conv.weight": 0.5}).to_toml())
    with program().build("host") as trainer:
        trainer.step(example(), [0])
        paths["state"].write_bytes(trainer.save())
    torch.manual_seed(0)
    return paths | {"pt2": saved(folder)}


__all__ = ["READERS", "SHAPE", "program", "write_good"]
