"""LeNet-5, with one block as in 1998 (tanh, average pool) and one of today (ReLU, max pool)."""

from torch import Tensor, nn

from .case import Case, make_case


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.average = nn.AvgPool2d(2)
        self.max = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.average(self.conv1(x).tanh())  # [N, 6, 14, 14]
        x = self.max(self.conv2(x).relu())  # [N, 16, 5, 5]
        x = self.fc1(x.flatten(1)).tanh()
        return self.fc3(self.fc2(x).tanh())


def lenet5(batch: int = 1) -> Case:
    return make_case(LeNet5, (1, 28, 28), 10, batch)
