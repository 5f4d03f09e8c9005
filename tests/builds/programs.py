"""Programs of odd sizes: one network with a layer of each kind, for every way to train it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import trainlet as tl
from builds.covering import Row
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph
from trainlet.ops import optimizer
from trainlet.planning.cpu import CPUS

CORES = tuple(CPUS)
OPTIMIZERS = {name: make() for name, make in optimizer.OPTIMIZERS.items()}
OPTIMIZERS["accumulate"] = tl.SGD(0.01)
FACTORS = {
    "target": (*CORES, "host"),
    "compiler": ("gcc", "zig"),
    "level": ("-O3", "-O2", "-Os", "-O0"),
    "size": ((1, 1), (2, 3), (7, 6)),
    "channels": (1, 3, 8, 13, 14),
    "outputs": (1, 2, 3),
    "scheme": ("bias", "last", "norm", "full", "shares"),
    "optimizer": tuple(OPTIMIZERS),
    "gradient": ("none", "float32", "int16", "int8"),
    "bits": (0, 4, 8),
}
"""gradient "none": the network is float32.  size: rows and columns of the map."""
SHARES = {"first.weight": 0.5, "first.bias": 1.0, "grown.weight": 0.3, "depth.bias": 1.0,
          "inner.weight": 0.6, "head.weight": 0.4, "head.bias": 1.0}  # fmt: skip


class Odd(nn.Module):
    """Convolutions of each kind, a residual, a norm, pooling and linear layers."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, channels, 3, padding=1)
        self.depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.grown = nn.Conv2d(channels, channels + 1, 1)
        self.norm = nn.BatchNorm2d(channels + 1)
        self.back = nn.Conv2d(channels + 1, channels, 1, bias=False)
        self.inner = nn.Linear(channels, channels)
        self.head = nn.Linear(channels, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.first(x))
        h = h + self.back(F.hardswish(self.norm(self.grown(F.relu6(self.depth(h))))))
        h = F.max_pool2d(h, 2) if min(h.shape[2:]) > 1 else h
        return self.head(F.relu(self.inner(h.mean((2, 3)))))


def network(row: Row) -> tuple[Odd, torch.Tensor]:
    torch.manual_seed(0)
    return Odd(row["channels"], row["outputs"]).eval(), torch.randn(1, 2, *row["size"])


@cache
def quantised(size: tuple[int, int], channels: int, outputs: int) -> Graph:
    model, x = network({"size": size, "channels": channels, "outputs": outputs})
    rng = np.random.default_rng(0)
    shown = [rng.standard_normal(x.shape).astype(np.float32) for _ in range(4)]
    return quantize_module(model, x, shown)


def compiled(row: Row) -> tl.CompiledProgram:
    """The program of a row of FACTORS."""
    model, x = network(row)
    scheme = row["scheme"] if row["scheme"] != "shares" else SHARES
    place = tl.Target.preset(row["target"])
    options = {
        "optimizer": OPTIMIZERS[row["optimizer"]],
        "accumulate": 3 if row["optimizer"] == "accumulate" else 1,
        "loss": "mse" if row["outputs"] == 1 else "cross_entropy",
        "target": replace(place, compiler=row["compiler"]),
    }
    if row["gradient"] == "none":
        return tl.compile(model, x, scheme, **options)  # type: ignore[arg-type]
    precision = tl.Int8(gradient=row["gradient"], extra_bits=row["bits"])
    graph = quantised(row["size"], row["channels"], row["outputs"])
    if scheme == "norm":
        scheme = "bias"  # folding leaves no norm
    return tl.compile(graph, None, scheme, precision=precision, **options)  # type: ignore[arg-type]
