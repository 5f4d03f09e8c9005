"""The labels, from the gradient of the last layer alone (iDLG, Zhao et al., 2020).

The gradient of a cross-entropy with respect to the logits is softmax - one-hot: only the entry of
the label is negative, and the entries sum to 0, so the label's is also the largest in magnitude.
A bias behind the logits has this gradient itself.  The gradient of the last weight, and of the last
factor of an adapter, is its outer product with the features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.privacy.observed import Round
from trainlet.privacy.victim import Victim


def recover_labels(victim: Victim, one: Round) -> Tensor | None:
    """int64 [batch], ascending; None where the last layer's parameters were not sent.

    Of a batch the slope is the mean of softmax - one-hot.  The softmax of a random input stands for
    that of the examples, which is close to it in a network that has not learned them.
    """
    batch = victim.shape[0]
    biases, factors = _last_parameters(victim)
    for name in biases:
        slope = one.values[name].reshape(-1)
        if batch > 1:
            counts = _softmax(victim).mean(0) - slope
            return _most(counts, batch)
        return slope.argmin()[None]
    for name in factors if batch == 1 else []:
        matrix = one.values[name].reshape(victim.classes, -1)
        if bool(matrix.any()):
            return _odd_one(torch.linalg.svd(matrix, full_matrices=False).U[:, 0])[None]
    return None


def _odd_one(slope: Tensor) -> Tensor:
    """The label of a slope whose sign is not known: the only entry of its sign, else the largest
    magnitude."""
    for sign in (1, -1):
        alone = torch.nonzero(slope * sign > 0).flatten()
        if len(alone) == 1 and len(slope) > 2:
            return alone[0]
    return slope.abs().argmax()


def _most(counts: Tensor, batch: int) -> Tensor:
    """The labels whose shares are nearest to these."""
    found, left = [], counts.clone()
    for _ in range(batch):
        found.append(int(left.argmax()))
        left[found[-1]] -= 1 / batch
    return torch.tensor(sorted(found))


def _softmax(victim: Victim) -> Tensor:
    """[batch, classes] of a random input."""
    return victim.logits(_random(victim)).softmax(1).detach()


def _random(victim: Victim) -> Tensor:
    if victim.indices:
        return torch.zeros(victim.shape, dtype=torch.int64)
    return torch.rand(victim.shape, generator=torch.Generator().manual_seed(0))


def _last_parameters(victim: Victim) -> tuple[list[str], list[str]]:
    """Parameters whose gradient is that of the logits, and those whose gradient is its product with
    something.  They are recognised by their gradients of a random input."""
    x = _random(victim)
    y = torch.arange(victim.shape[0]) % victim.classes
    slope = (_softmax(victim) - torch.nn.functional.one_hot(y, victim.classes)) / len(y)
    found = victim.gradients(x, y, create=False)
    biases, factors = [], []
    for n in victim.params:
        g = found[n.name].detach()
        if n.type.shape[:1] != (victim.classes,):
            continue
        if g.numel() == victim.classes:
            if torch.allclose(g.reshape(-1), slope.sum(0), rtol=1e-2, atol=1e-5):
                biases.append(n.name)
        elif _spanned(g.reshape(victim.classes, -1), slope.detach()):
            factors.append(n.name)
    return biases, factors


def _spanned(matrix: Tensor, slope: Tensor) -> bool:
    """Whether each column is a sum of the rows of the slope [batch, classes]."""
    if not bool(matrix.any()):
        return False
    basis = torch.linalg.qr(slope.T).Q
    rest = matrix - basis @ (basis.T @ matrix)
    return float(rest.norm() / matrix.norm()) < 1e-2
