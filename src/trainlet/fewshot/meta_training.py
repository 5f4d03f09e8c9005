"""Meta-training: a network that has seen many small tasks learns the next one from few examples."""

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
from trainlet.fewshot.episodes import Episode, Episodes
from trainlet.fewshot.head import SCALE, cosine_logits, prototypes
from trainlet.fewshot.loop import learn
from trainlet.ir.arguments import whole

SAVED_EVERY = 100
"""Steps between two checkpoints."""


def meta_train(
    backbone: torch.nn.Module,
    x: ArrayLike,
    y: ArrayLike,
    *,
    episodes: Episodes | None = None,
    steps: int = 2000,
    rate: float = 1e-3,
    pseudo_queries: bool = False,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> float:
    """Train the backbone in place on one episode a step; returns the scale of the cosine head.

    The loss is the cross-entropy of the queries by the prototypes of the support set (Snell et al.,
    2017).  With pseudo_queries the queries are augmented copies of the support set (Hu et al.,
    2022), as on a device, which has no others.  Adam; the rate falls to 0 along a cosine.

    backbone: gives features [n, d] of x [n, ..] float32; y int [n].  checkpoint: a file from which
    an interrupted run goes on.

    Raises DataError and ShapeError for data or a backbone that do not fit, FileError for a
    checkpoint of another run, DivergedError if the loss is no longer finite.
    """
    whole("steps", steps, 1, 1 << 31)
    xs, ys = examples(x, y)
    rule = Episodes() if episodes is None else episodes
    rule.draw(ys, np.random.default_rng(seed))
    backbone.to(device)
    scale = torch.nn.Parameter(torch.tensor([SCALE], device=device))
    head = torch.nn.ParameterDict({"scale": scale})
    own = identity(backbone, xs, ys, "meta", rule, steps, rate, pseudo_queries, seed)

    def losses(step: int) -> Iterator[torch.Tensor]:
        episode = rule.draw(ys, np.random.default_rng([seed, step]))
        generator = _generator(seed, step) if pseudo_queries else None
        yield _loss(backbone, scale, xs, episode, generator)

    learn(
        "meta-training", {"backbone": backbone, "head": head}, losses, steps, rate, checkpoint,
        own, SAVED_EVERY,
    )  # fmt: skip
    return scale.item()


def _loss(
    backbone: torch.nn.Module,
    scale: torch.Tensor,
    x: np.ndarray,
    episode: Episode,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Support and queries pass the network together, so that norms see one batch."""
    support = torch.from_numpy(x[episode.support]).to(scale.device)
    if generator is None:
        queries, labels = torch.from_numpy(x[episode.query]).to(scale.device), episode.query_labels
    else:
        queries, labels = augment(support, generator), episode.support_labels
    features = features_of(backbone, torch.cat([support, queries]))
    known = torch.from_numpy(episode.support_labels).to(scale.device)
    means = prototypes(features[: len(support)], known, episode.ways)
    logits = cosine_logits(features[len(support) :], means, scale)
    return cross_entropy(logits, torch.from_numpy(labels).to(scale.device))


def _generator(seed: int, step: int) -> torch.Generator:
    drawn = np.random.default_rng([seed, step, 1]).integers(1 << 62)
    return torch.Generator().manual_seed(int(drawn))
