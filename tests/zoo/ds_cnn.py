"""DS-CNN of MLPerf Tiny's keyword spotting: convolutions with a bias and a batch norm."""

from torch import Tensor, nn

from .case import Case, make_case


def conv_bn(cin: int, cout: int, kernel, **options) -> list[nn.Module]:
    return [nn.Conv2d(cin, cout, kernel, **options), nn.BatchNorm2d(cout), nn.ReLU()]


class DsCnn(nn.Module):
    def __init__(self, width: int = 64, classes: int = 12) -> None:
        super().__init__()
        layers = conv_bn(1, width, (10, 4), stride=2, padding=(5, 1))  # [N, 64, 25, 5]
        for _ in range(4):
            layers += conv_bn(width, width, 3, padding=1, groups=width)
            layers += conv_bn(width, width, 1)
        self.features = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d((25, 5))
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))


def ds_cnn(batch: int = 1) -> Case:
    return make_case(DsCnn, (1, 49, 10), 12, batch)
