"""MobileNetV2 at width 0.35 on 128x128; names of parameters as in torchvision."""

import torch
from torch import Tensor, nn

from .case import Case, make_case

# expansion, channels at width 1, repeats, stride of the first
STAGES = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def make_divisible(value: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand (1x1), filter (depthwise), project (1x1, linear)."""

    def __init__(self, cin: int, cout: int, stride: int, expansion: int, kernel: int = 3) -> None:
        super().__init__()
        hidden = cin * expansion
        expand = [conv_bn(cin, hidden, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            conv_bn(hidden, hidden, kernel, stride, groups=hidden),
            nn.Conv2d(hidden, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, width: float = 0.35, classes: int = 10) -> None:
        super().__init__()
        channels = make_divisible(32 * width)
        last = make_divisible(1280 * max(1.0, width))
        layers: list[nn.Module] = [conv_bn(3, channels, 3, 2)]
        for expansion, base, repeats, first in STAGES:
            cout = make_divisible(base * width)
            for i in range(repeats):
                stride = first if i == 0 else 1
                layers.append(InvertedResidual(channels, cout, stride, expansion))
                channels = cout
        layers.append(conv_bn(channels, last, 1))
        self.features = nn.Sequential(*layers)  # [N, 1280, 4, 4]
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


def mobilenet_v2(batch: int = 1) -> Case:
    return make_case(MobileNetV2, (3, 128, 128), 10, batch)
