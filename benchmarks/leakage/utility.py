"""What a share costs: the accuracy of a network that learns from messages alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from leakage.networks import pictures
from trainlet.privacy import ErrorFeedback, parse_share

STEPS, BATCH, RATE = 300, 32, 2e-3
LEARNED, TESTED = 5000, 1000


def network() -> nn.Module:
    """A small convolutional network that learns CIFAR-10 within seconds."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(2048, 10),
    )  # fmt: skip


def accuracy(data: Path, share: str, seed: int = 0) -> float:
    """On test pictures, after STEPS steps of Adam; the gradient of each step is a message of one
    device, with error feedback where coordinates are selected."""
    x, y, tested, labels = _examples(data)
    model, steps, memory = network(), parse_share(share), ErrorFeedback()
    search = torch.optim.Adam(model.parameters(), RATE)
    rng, order = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=order)
        search.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        named = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
        message = steps.apply(named, rng, memory).dense()
        for name, p in model.named_parameters():
            p.grad = torch.from_numpy(message[name])
        search.step()
    with torch.no_grad():
        return float((model(tested).argmax(1) == labels).float().mean())


@cache
def _examples(data: Path) -> tuple[torch.Tensor, ...]:
    """Pictures to learn with their labels, and those to test with."""
    learned = pictures(data, "train", range(0, 25000, 25000 // LEARNED))
    tested = pictures(data, "test", range(0, 5000, 5000 // TESTED))
    return tuple(torch.from_numpy(array) for array in (*learned, *tested))
