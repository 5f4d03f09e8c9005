"""Networks as ONNX Runtime's quantiser writes them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from onnx_files.networks import export

SHAPE = (1, 3, 12, 12)


class Small(nn.Module):
    """The layers, activations, moves and joins of common networks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.point = nn.Conv2d(8, 8, 1)
        self.beside = nn.Conv2d(8, 4, 1)
        self.gate = nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.first(x))
        b = self.point(nn.functional.relu6(self.depth(a)))
        c = torch.relu(a + b)
        d = nn.functional.leaky_relu(self.beside(c), 0.1) * torch.sigmoid(self.gate(b))
        joined = torch.cat([nn.functional.max_pool2d(c, 2), nn.functional.avg_pool2d(d, 2)], 1)
        return self.fc(joined.mean((2, 3)))


class Batches(CalibrationDataReader):
    def __init__(self, name: str, arrays: np.ndarray) -> None:
        self.left = iter([{name: x} for x in arrays])

    def get_next(self) -> dict | None:
        return next(self.left, None)


def draw(rng: np.random.Generator, many: int) -> np.ndarray:
    return rng.normal(size=(many, *SHAPE)).astype(np.float32)


def quantized(
    folder: Path, format: str = "QDQ", unsigned: bool = False, by_channel: bool = True,
    weights: str = "QInt8",
) -> Path:  # fmt: skip
    """The file of a `Small` with random weights."""
    torch.manual_seed(0)
    path = export(Small(), torch.zeros(SHAPE), folder / "float.onnx", input_names=["x"])
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_static(
                path, folder / "int8.onnx", Batches("x", draw(np.random.default_rng(0), 4)),
                quant_format=QuantFormat[format], per_channel=by_channel,
                activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
                weight_type=QuantType[weights],
            )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    return folder / "int8.onnx"
