"""Networks that give features, and their meta-training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from int8.task import folded
from schemes.bottlenecks import Bottleneck, bottlenecks, folded_bottlenecks
from torch import nn

from trainlet.fewshot import Episodes, meta_train, pretrain


def conv4() -> nn.Sequential:
    """64 features of four 3x3 convolutions with norms."""
    return convolutions(1, ((16, 2), (32, 1), (32, 2), (64, 2)), (3, 3))


def convolutions(
    channels: int, layers: tuple[tuple[int, int], ...], kernel: tuple[int, int]
) -> nn.Sequential:
    """Convolutions with norms and ReLU, then the mean over positions.

    layers: channels and stride of each; an axis whose kernel is 1 keeps its size
    """
    body: list[nn.Module] = []
    for out, stride in layers:
        steps = stride if kernel[0] > 1 else 1, stride if kernel[1] > 1 else 1
        around = kernel[0] // 2, kernel[1] // 2
        body += [
            nn.Conv2d(channels, out, kernel, steps, around, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        ]
        channels = out
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def ds_cnn() -> nn.Sequential:
    """The DS-CNN of MLPerf Tiny without its classifier: 64 features of [1, 49, 10]."""
    layers: list[nn.Module] = [
        nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU(),
    ]  # fmt: skip
    for _ in range(4):
        layers += [nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers += [nn.Conv2d(64, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def inverted() -> nn.Sequential:
    """96 features of three inverted bottlenecks."""
    return nn.Sequential(*list(bottlenecks(2))[:-1])


def trained(
    network: nn.Sequential,
    x: np.ndarray,
    y: np.ndarray,
    file: Path,
    *,
    epochs: int,
    steps: int,
    episodes: Episodes,
) -> tuple[nn.Sequential, float]:
    """The network after ordinary and meta-training, norms folded, and the scale of its head.

    file: where the checkpoints go; an interrupted training goes on from there
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    pretrain(network, x, y, epochs=epochs, checkpoint=file.with_suffix(".pretrained"))
    scale = meta_train(
        network, x, y, episodes=episodes, steps=steps, rate=5e-4,
        checkpoint=file.with_suffix(".meta"),
    )  # fmt: skip
    network.eval()
    bottled = any(isinstance(layer, Bottleneck) for layer in network)
    return (folded_bottlenecks if bottled else folded)(network), scale
