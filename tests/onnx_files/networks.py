"""Networks of the zoo as .onnx files, as PyTorch's exporter writes them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

OPSET = 17


def export(model: torch.nn.Module, x: torch.Tensor, path: Path, opset: int = OPSET, **how) -> Path:
    """Weights keep their names, and norms stay layers of their own."""
    kept = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (x,), path, dynamo=False, opset_version=opset,
                          **(kept | how))  # fmt: skip
    return path
