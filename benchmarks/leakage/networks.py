"""The networks that are attacked, and the examples that they see."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.ir.graph import Graph


@dataclass(frozen=True)
class Subject:
    """A forward graph and its examples; public: other examples that the attackers have."""

    graph: Graph
    x: np.ndarray
    y: np.ndarray
    bounds: tuple[float, float]
    public: np.ndarray | None = None


class LeNet(nn.Module):
    """The network of Deep Leakage from Gradients: sigmoid, all parameters uniform in -0.5..0.5."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, 2, 2)
        self.conv2 = nn.Conv2d(12, 12, 5, 2, 2)
        self.conv3 = nn.Conv2d(12, 12, 5, 1, 2)
        self.fc = nn.Linear(768, classes)
        for p in self.parameters():
            nn.init.uniform_(p, -0.5, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = conv(x).sigmoid()
        return self.fc(x.flatten(1))


def pictures(data: Path, part: str, rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10: float32 [n, 3, 32, 32] in 0..1, labels; part is train or test."""
    with np.load(data / "cifar10_jpeg.npz") as held:
        blob, offset, labels = (held[f"{part}_{k}"] for k in ("jpeg", "offset", "label"))
    read = [
        Image.open(io.BytesIO(blob[offset[k] : offset[k + 1]].tobytes())).convert("RGB")
        for k in rows
    ]
    x = np.stack([np.asarray(image, np.float32) for image in read]).transpose(0, 3, 1, 2) / 255
    return x, labels[list(rows)].astype(np.int64)


def lenet(data: Path, images: int, adapter: bool = False) -> Subject:
    """One test picture of each class, in turn."""
    torch.manual_seed(1234)
    graph = tl.prepare(LeNet().eval(), torch.zeros(1, 3, 32, 32))
    _, labels = pictures(data, "test", range(5000))
    rows = [int(np.flatnonzero(labels == k % 10)[k // 10]) for k in range(images)]
    x, y = pictures(data, "test", rows)
    return Subject(tl.adapt.lora(graph, rank=4) if adapter else graph, x, y, (0.0, 1.0))


def ds_cnn(data: Path, images: int, precision: str) -> Subject:
    """Keyword spotting of MLPerf Tiny; the attackers have the features of other clips."""
    path = data / "models/mlperf_tiny"
    if precision == "int8":
        graph = tl.prepare(path / "kws_dscnn_int8.tflite", precision="int8")
    else:
        read = tl.load(path / "kws_dscnn_float.tflite")
        (probabilities,) = read.outputs.values()
        graph = Graph({"logits": probabilities.inputs[0]}, read.values)
    with np.load(data / "mlperf_kws01_mfcc.npz") as held:
        x = ((held["mfcc"].astype(np.float32) - 83) * 0.5847029).reshape(-1, 49, 10, 1)
        y = held["label"].astype(np.int64)
    return Subject(graph, x[:images], y[:images], (-50.0, 25.0), x[400:])


def mcunet(data: Path, images: int) -> Subject:
    """MCUNet-5FPS with a new head of ten classes; CIFAR-10 pictures in its size, 128x128."""
    graph = tl.load(data / "models/mcunet_int8/mcunet-5fps.npz", classes=10)
    x, y = pictures(data, "test", range(images))
    large = F.interpolate(torch.from_numpy(x * 2 - 1), (128, 128), mode="bilinear").numpy()
    return Subject(graph, large, y, (-1.0, 1.0))


def mcunet_scheme() -> tl.UpdateScheme:
    """The published scheme of 49 KB, with the head."""
    published = SCHEMES["mcunet-5fps"]["49KB"].update_scheme
    return tl.UpdateScheme({**published.ratios, "classifier.weight": 1.0, "classifier.bias": 1.0})
