"""Strided 1-d convolutions over time, group norm, a mean over time: sound or a motion sensor."""

from torch import Tensor, nn

from .case import Case, make_case


def conv_gn(cin: int, cout: int, kernel: int, stride: int, activation: nn.Module) -> nn.Sequential:
    conv = nn.Conv1d(cin, cout, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(4, cout), activation)


class AudioConv1d(nn.Module):
    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_gn(8, 16, 9, 4, nn.ReLU()),
            conv_gn(16, 32, 5, 2, nn.SiLU()),
            conv_gn(32, 32, 3, 1, nn.SiLU()),
            conv_gn(32, 48, 3, 2, nn.ReLU()),
            nn.Conv1d(48, 48, 3, padding=1),
            nn.SiLU(),
        )  # [N, 48, 16]
        self.fc = nn.Linear(48, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean(dim=-1))


def audio_conv1d(batch: int = 1) -> Case:
    return make_case(AudioConv1d, (8, 256), 6, batch)
