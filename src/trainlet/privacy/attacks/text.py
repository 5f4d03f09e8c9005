"""Words from gradients: rows of an embedding, and the span of a linear layer's gradient.

If the embedding learns, only the rows of words in the text have a gradient.  Else the check of
DAGER (Petrov et al., 2024) finds the words: the gradient of the first linear layer is the sum over
the text of d h^T, so each row of it lies in the span of the vectors h of the text, and a word is in
the text if its vector lies in this span.  Where h depends on the place of the word, the check gives
the place too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.privacy.attacks.problem import Problem, Recovered
from trainlet.privacy.observed import Round
from trainlet.privacy.victim import Victim

NAME = "text"
RANK = 1e-5
"""A smaller singular value counts as zero, relative to the largest."""
NEAR = 1e-2
"""The largest distance of a word's vector from the span, relative to its length."""
ROW = 1e-4
"""A smaller row of the embedding's gradient counts as zero, relative to the largest."""


@dataclass(frozen=True)
class _Words:
    """candidates: bool [words, places]; ordered: whether the places differ."""

    candidates: Tensor
    distance: Tensor
    ordered: bool


def text(problem: Problem, seed: int, iterations: int = 600) -> Recovered | None:
    """The word at each place; of words without a place those that are in the text, the most
    probable ones first.  None where the input is not a text of one example, and where neither an
    embedding nor a linear layer of its vectors was sent."""
    victim, one = problem.victim, problem.rounds[0]
    if not victim.indices or victim.shape[0] > 1 or len(victim.shape) != 2:
        return None
    places = victim.shape[1]
    used, words = embedded(victim, problem.rounds), spanned(victim, one)
    if used is None and words is None:
        return None
    if words is None:
        assert used is not None
        words = _Words(used[:, None].expand(-1, places), -1.0 * used[:, None].float(), False)
    elif used is not None:
        words = _Words(words.candidates & used[:, None], words.distance + 9.0 * ~used[:, None],
                       words.ordered)  # fmt: skip
    if words.ordered:
        chosen = words.distance.argmin(0)
    else:
        kept = torch.nonzero(words.candidates[:, 0]).flatten()
        order = kept[words.distance[kept, 0].argsort()]
        chosen = torch.cat([order, order.new_full((places,), -1)])[:places]
    labels = problem.labels if problem.labels is not None else torch.full((1,), -1)
    return Recovered(chosen[None].numpy(), labels.numpy(), 0.0, NAME, words.ordered)


def embedded(victim: Victim, rounds: Sequence[Round]) -> Tensor | None:
    """bool [words]: which rows of an embedding that learns have a gradient in any round; None
    without one."""
    count = victim.input.attrs["below"]
    for name, value in rounds[0].values.items():
        if value.ndim == 2 and len(value) == count and victim.classes != count:
            size = torch.stack([one.values[name].norm(dim=1) for one in rounds]).amax(0)
            if bool(size.any()):
                return size > ROW * size.max()
    return None


def spanned(victim: Victim, one: Round) -> _Words | None:
    """The words whose vectors lie in the span of a gradient; None where no such layer was sent, and
    where the text has as many words as the vectors have elements."""
    values = one.values
    for n, weight in _layers(victim):
        gradient = values[weight.name].reshape(weight.type.shape[0], -1)
        places, width = victim.shape[1], gradient.shape[1]
        if places >= width or not bool(gradient.any()):
            continue
        _, s, v = torch.linalg.svd(gradient.double(), full_matrices=False)
        basis = v[: int((s > RANK * s[0]).sum())][:places].float()
        vectors = _vectors(victim, n, width)
        rest = vectors - (vectors @ basis.T) @ basis
        distance = rest.norm(dim=2) / (vectors.norm(dim=2) + 1e-30)
        ordered = not bool(torch.allclose(vectors[:, 0], vectors[:, -1], atol=1e-5))
        return _Words(distance < NEAR, distance, ordered)
    return None


def _layers(victim: Victim) -> list[tuple[Node, Node]]:
    """The map that each trained matrix multiplies, with the matrix, the first ones first, as far as
    the map of a place depends on the word there alone."""
    params = {n for n in victim.params if n.type.rank == 2}
    same = torch.zeros(victim.shape, dtype=torch.int64)
    other = same.clone()
    other[:, -1] = 1
    a, b = victim.values(same), victim.values(other)
    found = []
    for n in a:
        for weight in params.intersection(n.inputs):
            read = n.inputs[0]
            width = weight.type.shape[1]
            if read in params or read.type.size != victim.shape[1] * width:
                continue
            rows, moved = a[read].reshape(-1, width), b[read].reshape(-1, width)
            if torch.allclose(rows[:-1], moved[:-1]) and not torch.allclose(rows[-1], moved[-1]):
                found.append((read, weight))
    return found


def _vectors(victim: Victim, n: Node, width: int) -> Tensor:
    """[words, places, width]: the map of a text that repeats each word."""
    count = victim.input.attrs["below"]
    with torch.no_grad():
        rows = [
            victim.values(torch.full(victim.shape, word))[n].reshape(-1, width)
            for word in range(count)
        ]
    return torch.stack(rows)
