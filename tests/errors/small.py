"""A small network, its file, and a trainer of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiled import CompiledProgram

SHAPE = (1, 2, 6, 6)
CLASSES = 3


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().mean(dim=(2, 3)))


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Small().eval()


def example(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def compiled(model: nn.Module | None = None, **options) -> CompiledProgram:
    scheme = options.pop("scheme", {"conv.weight": 0.5, "fc.bias": 1.0})
    options = {"target": "host"} | options
    return tl.compile(model or small(), torch.zeros(SHAPE), scheme, **options)


def saved(folder: Path, model: nn.Module | None = None, **options) -> Path:
    """The network as a .pt2 file."""
    path = folder / "small.pt2"
    program = torch.export.export(model or small(), (torch.zeros(SHAPE),), **options)
    torch.export.save(program, path)
    return path
