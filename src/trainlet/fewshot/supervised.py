"""Ordinary training on all classes at once: the start of meta-training, and its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.nn.functional import cross_entropy

from trainlet.fewshot.augment import augment
from trainlet.fewshot.checkpoint import identity
from trainlet.fewshot.data import examples, features_of
from trainlet.fewshot.loop import learn
from trainlet.ir.arguments import whole


def pretrain(
    backbone: torch.nn.Module,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 20,
    batch: int = 64,
    rate: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> None:
    """Train the backbone in place with a linear classifier, which is thrown away.

    Augmented examples, Adam, a rate that falls to 0 along a cosine.  x [n, ..] float32, y int [n];
    the backbone gives features [n, d].  checkpoint: a file from which an interrupted run goes on.

    Raises DataError and ShapeError for data or a backbone that do not fit, FileError for a
    checkpoint of another run, DivergedError if the loss is no longer finite.
    """
    whole("epochs", epochs, 1, 1 << 20)
    whole("batch", batch, 2, 1 << 20)
    xs, ys = examples(x, y)
    names, labels = np.unique(ys, return_inverse=True)
    backbone.to(device).eval()
    with torch.no_grad():
        width = features_of(backbone, torch.from_numpy(xs[:2]).to(device)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = torch.nn.Linear(width, len(names)).to(device)
    own = identity(backbone, xs, ys, "supervised", epochs, batch, rate, seed)

    def losses(epoch: int) -> Iterator[torch.Tensor]:
        rng = np.random.default_rng([seed, epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        order = rng.permutation(len(xs))
        for rows in np.array_split(order, max(1, len(order) // batch)):
            given = augment(torch.from_numpy(xs[rows]).to(device), generator)
            logits = classifier(features_of(backbone, given))
            yield cross_entropy(logits, torch.from_numpy(labels[rows]).to(device))

    modules = {"backbone": backbone, "classifier": classifier}
    learn("pre-training", modules, losses, epochs, rate, checkpoint, own)
