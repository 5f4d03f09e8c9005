"""Small networks to attack."""

from typing import Any

import numpy as np
import torch
from torch import nn

import trainlet as tl
from trainlet.privacy.victim import Victim


def sigmoid_net(side: int = 8, classes: int = 4) -> nn.Module:
    """As the network of Deep Leakage from Gradients, smaller."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 6, 3, 2, 1), nn.Sigmoid(), nn.Conv2d(6, 6, 3, 1, 1), nn.Sigmoid(),
            nn.Flatten(), nn.Linear(6 * side * side // 4, classes),
        )  # fmt: skip
        for p in net.parameters():
            nn.init.uniform_(p, -0.5, 0.5)
    return net.eval()


def picture(batch: int = 1, side: int = 8, seed: int = 0) -> np.ndarray:
    """float32 [batch, 1, side, side] in 0..1: a slope with a bright square."""
    rng = np.random.default_rng(seed)
    x = np.zeros((batch, 1, side, side), np.float32)
    for k in range(batch):
        a, b = rng.uniform(0, 0.5 / side, 2)
        x[k, 0] = 0.2 + a * np.arange(side)[:, None] + b * np.arange(side)
        top, left = rng.integers(1, side // 2, 2)
        x[k, 0, top : top + 3, left : left + 3] += 0.3
    return x


def victim(model: nn.Module, shape: tuple[int, ...], scheme: Any = "full") -> Victim:
    graph = tl.prepare(model, torch.zeros(shape), check=False, scheme=scheme)
    return Victim(tl.train(graph, scheme, stop_after="split"))
