"""In the manner of MCUNet: inverted residuals whose kernel and expansion were searched."""

from torch import Tensor, nn

from .case import Case, make_case
from .mobilenet_v2 import InvertedResidual, conv_bn

# kernel, expansion, channels, stride
BLOCKS = [
    (3, 1, 8, 1),
    (7, 3, 16, 2),
    (3, 6, 16, 1),
    (5, 5, 24, 2),
    (7, 4, 24, 1),
    (5, 6, 40, 2),
    (3, 4, 40, 1),
    (7, 5, 48, 1),
    (5, 3, 96, 2),
    (7, 6, 96, 1),
    (3, 5, 160, 1),
]


class McuNetLike(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        channels = 16
        self.first = conv_bn(3, channels, 3, 2)
        blocks = []
        for kernel, expansion, cout, stride in BLOCKS:
            blocks.append(InvertedResidual(channels, cout, stride, expansion, kernel))
            channels = cout
        self.blocks = nn.Sequential(*blocks)  # [N, 160, 3, 3]
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.blocks(self.first(x)).mean(dim=(2, 3)))


def mcunet_like(batch: int = 1) -> Case:
    return make_case(McuNetLike, (3, 96, 96), 10, batch)
