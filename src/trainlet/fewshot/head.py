"""A head for classes that the network has never seen: the nearest prototype by cosine."""

from __future__ import annotations

import torch
from torch import nn

SCALE = 10.0
SMALLEST = 1e-6
"""Norms below this count as this: a class that nobody has taught yet has cosine 0."""


class CosineHead(nn.Module):
    """Logits [n, ways] of features [n, d]: scale * cos(features, prototype) (Hu et al., 2022).

    `prototypes` [ways, d] and `scale` [1] are parameters, so that both can learn on.  The length of
    a prototype makes no difference: the sum of a class's features is as good as their mean.
    """

    def __init__(self, features: int, ways: int, scale: float = SCALE) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.zeros(ways, features))
        self.scale = nn.Parameter(torch.tensor([scale]))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return cosine_logits(features, self.prototypes, self.scale)

    @torch.no_grad()
    def teach(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Set the prototypes to the classes' mean features.  features [n, d], labels int64 [n]."""
        self.prototypes.copy_(prototypes(features, labels, len(self.prototypes)))


def prototypes(features: torch.Tensor, labels: torch.Tensor, ways: int) -> torch.Tensor:
    """The mean features [ways, d] of each class (Snell et al., 2017, equation 1); 0 of a class
    without examples.  features [n, d], labels int64 [n] below ways."""
    member = nn.functional.one_hot(labels, ways).to(features.dtype)
    return member.T @ features / member.sum(0).clamp(min=1)[:, None]


def cosine_logits(
    features: torch.Tensor, prototypes: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """[n, ways] of features [n, d] and prototypes [ways, d]."""
    unit = nn.functional.normalize(features, dim=1, eps=SMALLEST)
    return scale * unit @ nn.functional.normalize(prototypes, dim=1, eps=SMALLEST).T
