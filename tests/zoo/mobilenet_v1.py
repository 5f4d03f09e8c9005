"""MobileNetV1 at width 0.25 on 96x96, the network of MLPerf Tiny's visual wake words."""

from torch import Tensor, nn

from .case import Case, make_case

# Output channels at width 0.25, and the stride, of the 13 depthwise-separable blocks.
WIDTHS = (16, 32, 32, 64, 64, *[128] * 6, 256, 256)
STRIDES = (1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1)


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU6(inplace=True))


class MobileNetV1(nn.Module):
    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        channels = 8
        layers = [conv_bn(3, channels, 3, 2)]
        for cout, stride in zip(WIDTHS, STRIDES, strict=True):
            layers += [conv_bn(channels, channels, 3, stride, channels), conv_bn(channels, cout, 1)]
            channels = cout
        self.features = nn.Sequential(*layers)  # [N, 256, 3, 3]
        self.pool = nn.AvgPool2d(3)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


def mobilenet_v1(batch: int = 1) -> Case:
    return make_case(MobileNetV1, (3, 96, 96), 2, batch)
