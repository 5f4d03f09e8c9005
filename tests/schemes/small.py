"""A small network and data of which it knows one half, for the searches."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

CLASSES = 3
QUICK = {"rates": (0.03, 0.3), "epochs": 2, "seeds": 2, "shares": (0.5, 1.0)}


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)]
    return nn.Sequential(*layers, *head).eval()


EXAMPLE = torch.zeros(1, 2, 8, 8)


def examples(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % CLASSES
    x = rng.standard_normal((n, *EXAMPLE.shape[1:])).astype(np.float32)
    x[:, 0, 2:6, 2:6] += y[:, None, None]
    return x, y
