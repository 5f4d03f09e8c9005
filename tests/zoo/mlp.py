"""Two hidden layers."""

from torch import nn

from .case import Case, make_case


def build() -> nn.Module:
    return nn.Sequential(
        nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 5)
    )


def mlp(batch: int = 1) -> Case:
    return make_case(build, (32,), 5, batch)
