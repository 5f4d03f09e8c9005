"""A small relative of MobileNetV3: squeeze-and-excite, hard sigmoid, hard swish, residuals."""

from torch import Tensor, nn

from .case import Case, make_case

# kernel, hidden, channels, squeeze and excite?, activation, stride
BLOCKS = [
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 48, 24, False, nn.ReLU, 2),
    (3, 64, 24, False, nn.ReLU, 1),
    (5, 72, 32, True, nn.Hardswish, 2),
    (5, 96, 32, True, nn.Hardswish, 1),
]


def conv_bn(cin: int, cout: int, kernel: int, activation, stride=1, groups=1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), activation())


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // 4, 1)
        self.fc2 = nn.Conv2d(channels // 4, channels, 1)
        self.activation = nn.ReLU()
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.gate(gate) * x  # [N, C, 1, 1] over [N, C, H, W]


class Block(nn.Module):
    def __init__(self, cin, kernel, hidden, cout, excite, activation, stride) -> None:
        super().__init__()
        self.block = nn.Sequential(
            conv_bn(cin, hidden, 1, activation),
            conv_bn(hidden, hidden, kernel, activation, stride, groups=hidden),
            *([SqueezeExcite(hidden)] if excite else []),
            conv_bn(hidden, cout, 1, nn.Identity),
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + x if self.residual else self.block(x)


class SeHardswish(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        channels = 16
        layers: list[nn.Module] = [conv_bn(3, channels, 3, nn.Hardswish, 2)]
        for kernel, hidden, cout, excite, activation, stride in BLOCKS:
            layers.append(Block(channels, kernel, hidden, cout, excite, activation, stride))
            channels = cout
        layers.append(conv_bn(channels, 96, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)  # [N, 96, 3, 3]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(96, 64), nn.Hardswish(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def se_hardswish(batch: int = 1) -> Case:
    return make_case(SeHardswish, (3, 48, 48), 10, batch)
