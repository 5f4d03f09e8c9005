"""What the tutorials begin with: gestures of made-up people, and a network that knows some of them.

A person draws gestures with a device at the wrist, which measures its acceleration.  The data are
computed, not recorded.  So the tutorials need no download, and their accuracies say nothing about
real gestures.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

KNOWN = ("circle", "shake", "wave", "lift", "twist")  # what the network is pretrained for
NEW = ("push", "stir", "knock")  # what it has never seen
SAMPLES = 64  # of each of the three axes


def shape(gesture: int, t: np.ndarray, p: float) -> np.ndarray:
    """The acceleration [3, len(t)] of a gesture at the times t, which begins at the phase p."""
    a, b, fast = np.sin(2 * t + p), np.cos(2 * t + p), np.sin(6 * t + p)
    axes = (
        (a, b, 0.2 * a),
        (fast, 0.3 * b, 0.1 * a),
        (0.3 * a, np.sin(4 * t + p), 0.5 * b),
        (0.2 * b, 0.8 * a, a * np.abs(b)),
        (0.9 * a, -0.9 * a, 0.6 * np.sin(4 * t + p)),
        (0.1 * a, 0.2 * b, np.sign(a)),
        (0.6 * a + 0.4 * fast, 0.6 * b, 0.4 * np.cos(6 * t + p)),
        (0.2 * a, fast**3, 0.3 * b),
    )
    return np.stack(axes[gesture])


def gestures(
    person: int, each: int, turned: float = 0.0, kinds: range = range(5)
) -> tuple[np.ndarray, np.ndarray]:
    """`each` recordings of every kind: x float32 [N, 3, 64], and y int64 [N] counted from 0.

    person: a seed; every person has a tempo, a strength and a tremor
    turned: by how many radians this person wears the device turned around the arm
    kinds: indices into KNOWN + NEW
    """
    rng = np.random.default_rng(person)
    tempo, strength, angle = rng.uniform(0.8, 1.25), rng.uniform(0.7, 1.3), rng.normal(turned, 0.1)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    y = np.tile(np.arange(len(kinds)), each)
    x = np.empty((len(y), 3, SAMPLES), np.float32)
    for k, label in enumerate(y):
        t = np.linspace(0, 2 * np.pi, SAMPLES) * tempo * rng.uniform(0.85, 1.15)
        moved = turn @ shape(kinds[label], t, rng.uniform(0, 2 * np.pi))
        x[k] = strength * moved + rng.normal(0, 0.5, (3, SAMPLES))
    return x, y


def network() -> nn.Module:
    """A small convolutional network: float32 [N, 3, 64] to logits [N, 5]."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv1d(inputs, outputs, 5, stride=2, padding=2, bias=False)
        return [conv, nn.BatchNorm1d(outputs), nn.ReLU()]

    layers = block(3, 8) + block(8, 16) + block(16, 32)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, len(KNOWN)))


def pretrain(
    model: nn.Module, people: int = 6, each: int = 10, epochs: int = 12, eps: float = 1e-8
) -> nn.Module:
    """The model, trained on the gestures of some people; a second or two.

    It trains in float64, so that other processors come to the same weights.  A recurrent network
    needs a larger eps for that: Adam's steps then shrink with the gradient, and rounding does not
    grow.
    """
    model.double()
    data = [gestures(person, each) for person in range(people)]
    x = torch.from_numpy(np.concatenate([x for x, _ in data])).double()
    y = torch.from_numpy(np.concatenate([y for _, y in data]))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3, eps=eps)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.float().eval()
