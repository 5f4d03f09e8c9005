"""What a task is: a pretrained network, what learns in it, and episodes of real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trainlet.run.dataset import Dataset


@dataclass(frozen=True)
class Episode:
    """One adaptation from the pretrained state: a person, an alphabet, or a draw of images."""

    learn: Dataset
    test: Dataset


@dataclass(frozen=True)
class Task:
    """model:       pretrained, in float32, batch norms folded
    example:     the shape of one input, with the batch of 1
    calibration: inputs that show the ranges; never of a test part
    scheme:      who learns
    epochs:      passes over the few samples of an episode
    episodes:    (part, seed) -> the episodes of a run; part is "validation" or "test"
    validation_runs: of each learning rate
    frozen:      so many leading layers never learn; they are computed once (front.py)
    rate_factor: of all grids of learning rates
    normed:      the model with its batch norms, where a method trains them
    """

    name: str
    title: str
    model: nn.Module
    example: tuple[int, ...]
    calibration: np.ndarray
    scheme: dict[str, float]
    epochs: int
    episodes: Callable[[str, int], list[Episode]]
    validation_runs: int = 1
    frozen: int = 0
    rate_factor: float = 1.0
    normed: nn.Module | None = None


def folded(model: nn.Sequential) -> nn.Sequential:
    """The network with each batch norm folded into the convolution before it.

    Integers cannot keep them apart, so float32 shall not either: every method then descends in
    the same parameters.
    """
    layers: list[nn.Module] = []
    for layer in model.eval():
        if isinstance(layer, nn.BatchNorm2d):
            assert isinstance(layers[-1], nn.Conv2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).requires_grad_()  # torch freezes the bias of a fused layer


def last_layers(model: nn.Sequential, biases: int, weights: list[int]) -> dict[str, float]:
    """A scheme: the classifier, the biases of the last so many convolutions, and the weights of
    the convolutions at these indices among all."""
    names = [name for name, layer in model.named_children() if isinstance(layer, nn.Conv2d)]
    head = next(name for name, layer in model.named_children() if isinstance(layer, nn.Linear))
    learning = [f"{name}.bias" for name in names[-biases:]]
    learning += [f"{names[k]}.weight" for k in weights]
    return dict.fromkeys([*learning, f"{head}.weight", f"{head}.bias"], 1.0)


def with_new_head(model: nn.Sequential, classes: int, seed: int = 0) -> nn.Sequential:
    """The network with another classifier, initialised as PyTorch does."""
    torch.manual_seed(seed)
    head = model[-1]
    assert isinstance(head, nn.Linear)
    return nn.Sequential(*model[:-1], nn.Linear(head.in_features, classes)).eval()


def draw(
    rows: np.ndarray, label: np.ndarray, each: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Of these rows, `each` at random of every class, and the rest."""
    chosen = [
        rng.permutation(rows[label[rows] == c])[:each] for c in np.unique(label[rows]).tolist()
    ]
    learn = np.concatenate(chosen)
    return learn, np.setdiff1d(rows, learn)


def pretrain(
    model: nn.Sequential,
    x: np.ndarray,
    y: np.ndarray,
    epochs: int,
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray],
) -> nn.Sequential:
    """AdamW with one cycle of the rate, batches of 64; seeded."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    batches = len(x) // 64
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * batches)
    model.train()
    for _ in range(epochs):
        for rows in rng.permutation(len(x))[: batches * 64].reshape(-1, 64):
            logits = model(torch.from_numpy(augment(x[rows], rng)))
            loss = cross_entropy(logits, torch.from_numpy(y[rows].astype(np.int64)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
    return model.eval()
