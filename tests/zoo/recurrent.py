"""A small speech network: a convolution in time, an LSTM in both directions, a GRU."""

from torch import Tensor, nn

from .case import Case, make_case


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(10, 12, 3, stride=2)
        self.lstm = nn.LSTM(12, 8, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(16, 10, batch_first=True)
        self.fc = nn.Linear(10, 6)

    def forward(self, x: Tensor) -> Tensor:
        """x [N,10,25]: 25 frames of 10 cepstral coefficients."""
        y = self.conv(x).relu().transpose(1, 2)
        return self.fc(self.gru(self.lstm(y)[0])[0][:, -1])


def recurrent(batch: int = 1) -> Case:
    return make_case(Recurrent, (10, 25), 6, batch)
