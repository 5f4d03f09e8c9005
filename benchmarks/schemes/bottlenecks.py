"""A small network of inverted bottlenecks, as in MobileNetV2."""

from __future__ import annotations

import torch
from int8.task import folded
from torch import nn

BLOCKS = ((24, 2), (24, 1), (40, 2))
"""Output channels and stride of each."""
EXPANDED, STEM, LAST = 3, 16, 96


class Bottleneck(nn.Module):
    """To more channels, depthwise, to fewer; with a skip connection where the sizes agree."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        middle = EXPANDED * before
        self.skip = stride == 1 and before == after
        self.layers = nn.Sequential(
            *_conv(before, middle, 1), nn.ReLU6(),
            *_conv(middle, middle, 3, stride, middle), nn.ReLU6(),
            *_conv(middle, after, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(x)
        return x + y if self.skip else y


def bottlenecks(classes: int) -> nn.Sequential:
    """For images of one channel."""
    layers: list[nn.Module] = [*_conv(1, STEM, 3, 2), nn.ReLU6()]
    before = STEM
    for after, stride in BLOCKS:
        layers.append(Bottleneck(before, after, stride))
        before = after
    layers += [*_conv(before, LAST, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(LAST, classes))


def folded_bottlenecks(model: nn.Sequential) -> nn.Sequential:
    """The network without its batch norms; the model itself is changed."""
    for block in model:
        if isinstance(block, Bottleneck):
            block.layers = folded(block.layers)
    return folded(model)


def _conv(before: int, after: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, side, stride, side // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after)]
