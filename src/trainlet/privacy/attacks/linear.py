"""Exact recovery through a linear layer that reads the input: y = W x + b.

The gradient of W is the sum over the batch of d x^T, and that of b the sum of d.  Of one example
each row of the first, divided by that of the second, is x itself.  Of a batch behind a ReLU, SPEAR
(Dimitrov et al., 2024) separates the examples: a ReLU makes about half of each d zero, and only the
right directions of the rows' span are so sparse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainlet.ir.storage import storage
from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.privacy.observed import Tensors
from trainlet.privacy.victim import Victim

NAME = "linear"
DRAWS = 4000
"""Sets of rows that are tried for directions."""
ZERO = 1e-3
"""A smaller entry counts as zero, relative to the largest of its direction."""
FITS = 50
"""Times that an input and the units' shares of the loss are fitted in turn."""
NEAR = 0.99
"""Two directions with a larger cosine are the same."""


@dataclass(frozen=True)
class _Layer:
    """The names of a weight that multiplies the flattened input, and of its bias."""

    weight: str
    bias: str


def linear(problem: Problem, seed: int, iterations: int = 600) -> Recovered | None:
    """None where no such layer has sent its weight and bias, and where the batch cannot be
    separated.  The examples of a batch are in no order, and labels that are not known are -1."""
    layer = reading_layer(problem.victim)
    if layer is None:
        return None
    batch = problem.victim.shape[0]
    if batch == 1:
        rows = _quotients(problem, layer)[None]
    else:
        weight, bias = _matrix(problem.rounds[0].values, layer)
        found = separated(weight.numpy(), bias.numpy(), batch, np.random.default_rng(seed))
        if found is None:
            return None
        rows = torch.from_numpy(found)
    x = _as_inputs(problem.victim, rows.float()).clamp(problem.low, problem.high)
    labels = problem.labels if problem.labels is not None else -torch.ones(batch)
    return Recovered(x.numpy(), labels.long().numpy(), 0.0, NAME)


def _matrix(values: Tensors, layer: _Layer) -> tuple[Tensor, Tensor]:
    """[out, in] and [out], in double precision."""
    bias = values[layer.bias].double().reshape(-1)
    return values[layer.weight].double().reshape(len(bias), -1), bias


def _quotients(problem: Problem, layer: _Layer) -> Tensor:
    """The input that fits all rounds; the middle of the range where nothing tells it.

    An entry of the weight is k x, where k is the unit's share of the loss, and that of the bias is
    k itself.  With a memory, k is of all rounds since the entry was last sent, so entries of a unit
    have the same k where they were last sent in the same round.  x and all k are fitted in turn.
    """
    groups, columns, values = _entries(problem, layer)
    last = problem.victim.input.type.size
    k, x = np.zeros(groups.max(initial=0) + 1), np.zeros(last + 1)
    x[last] = 1.0  # the bias multiplies 1
    for _ in range(FITS):
        k = _fitted(values, x[columns], groups, len(k))
        x = _fitted(values, k[groups], columns, len(x))
        x[last] = 1.0
    told = np.bincount(columns, k[groups] ** 2, len(x))[:last] > 0
    middle = (problem.low + problem.high) / 2
    return torch.from_numpy(np.where(told, x[:last], middle))


def _fitted(values: NDArray, factors: NDArray, at: NDArray, count: int) -> NDArray:
    """[count]: least squares of values = found[at] * factors; zero where all factors are."""
    sizes = np.bincount(at, factors**2, count)
    return np.bincount(at, values * factors, count) / np.where(sizes > 0, sizes, 1.0)


def _entries(problem: Problem, layer: _Layer) -> tuple[NDArray, NDArray, NDArray]:
    """Of each entry that was sent: a number for its unit and rounds, its column, the bias in the
    last one, and its value."""
    rounds, keys, columns, values = len(problem.rounds), [], [], []
    last = np.zeros((1, 1), np.int64)
    for number, one in enumerate(problem.rounds, 1):
        value, sent = (_joined(*_matrix(kept, layer)) for kept in (one.values, one.sent))
        unit, column = np.nonzero(sent)
        before = np.broadcast_to(last, sent.shape)[unit, column]
        keys.append((unit * (rounds + 1) + before) * (rounds + 1) + number)
        columns.append(column)
        values.append(value[unit, column])
        last = np.where(sent > 0, number, last) if problem.feedback is not None else last
    groups = np.unique(np.concatenate(keys), return_inverse=True)[1]
    return groups, np.concatenate(columns), np.concatenate(values)


def _joined(weight: Tensor, bias: Tensor) -> NDArray:
    """[out, in + 1]."""
    return torch.cat([weight, bias[:, None]], 1).numpy()


def reading_layer(victim: Victim) -> _Layer | None:
    """Recognised by its gradients of a random input: each row of the weight's is the bias's entry
    times the input."""
    if victim.indices:
        return None
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, *victim.shape[1:], generator=rng).expand(victim.shape)
    found = victim.gradients(x, torch.zeros(victim.shape[0], dtype=torch.int64), create=False)
    placed = _placed(victim, x)[0]
    for weight, g in found.items():
        for bias, d in found.items():
            if d.numel() * len(placed) == g.numel() and bool(d.any()):
                product = d.reshape(-1, 1) * placed
                if g.shape[0] == d.numel() and torch.allclose(
                    g.reshape(product.shape), product, rtol=1e-2, atol=1e-3 * float(product.std())
                ):
                    return _Layer(weight, bias)
    return None


def separated(
    weight: NDArray, bias: NDArray, batch: int, rng: np.random.Generator
) -> NDArray | None:
    """The inputs [batch, in] behind a ReLU from the gradients of W [out, in] and b [out]; None
    where too few sparse directions are found.  SPEAR's algorithm 1."""
    left, sizes, right = np.linalg.svd(weight, full_matrices=False)
    if len(sizes) < batch or sizes[batch - 1] < 1e-6 * sizes[0]:
        return None
    basis, rows = left[:, :batch], sizes[:batch, None] * right[:batch]
    norms = np.linalg.norm(basis, axis=1)
    used = np.flatnonzero(norms > 1e-6 * norms.max())
    if len(used) < batch:
        return None
    found: list[tuple[int, NDArray]] = []
    for _ in range(DRAWS):
        chosen = basis[rng.choice(used, batch - 1, replace=False)]
        direction = np.linalg.svd(chosen)[2][-1]
        column = basis[used] @ direction
        zeros = int((np.abs(column) < ZERO * np.abs(column).max()).sum())
        if zeros >= batch:  # any direction has batch - 1 zeros, where it was drawn
            found.append((zeros, direction))
    kept: list[NDArray] = []
    for _, direction in sorted(found, key=lambda pair: -pair[0]):
        if all(abs(direction @ other) < NEAR for other in kept):
            kept.append(direction)
        if len(kept) == batch:
            break
    if len(kept) < batch:
        return None
    mixing = np.stack(kept, 1)
    scales = np.linalg.lstsq(basis @ mixing, bias, rcond=None)[0]
    if np.linalg.cond(mixing) > 1e6 or not np.abs(scales).min() > 0:
        return None
    return np.linalg.inv(mixing * scales) @ rows


def _placed(victim: Victim, x: Tensor) -> Tensor:
    """[batch, elements] in the order in which the device keeps them."""
    return x.permute(storage(victim.input).permutation).reshape(victim.shape[0], -1)


def _as_inputs(victim: Victim, rows: Tensor) -> Tensor:
    """The inverse of `_placed`."""
    how = storage(victim.input)
    moved = rows.reshape([victim.shape[k] for k in how.permutation])
    return moved.permute(np.argsort(how.permutation).tolist())
