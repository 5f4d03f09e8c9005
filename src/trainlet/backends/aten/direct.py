"""Gradients of weights that are added to the weights as they are computed, without a buffer.

A language model's embedding is its largest weight, and its gradient would be as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainlet.backends.aten.table import leading
from trainlet.ir.graph import Node, users
from trainlet.planning.buffers import in_arena

SUMS, PRODUCT, ROWS, DESCENT = "add", "linear_dw", "scatter", "sgd"


@dataclass(frozen=True)
class DirectUpdate:
    """A step of plain SGD, p -= lr * the sum of the terms; gone: the nodes that it stands for."""

    update: Node
    terms: tuple[Node, ...]
    gone: frozenset[Node]

    def apply(self, known: Mapping[Node, Tensor]) -> Tensor:
        """The parameter, which is overwritten."""
        whole, lr = known[self.update.inputs[0]], known[self.update.inputs[2]]
        p = leading(whole, self.update.inputs[1].type.shape)
        for term in self.terms:
            a, *b = (known[i] for i in term.inputs) if term in self.gone else (known[term],)
            if term not in self.gone:
                p.addcmul_(a, lr, value=-1)
            elif term.op == PRODUCT:
                g, x = (t.reshape(-1, t.shape[-1]) for t in (a, b[0]))
                scaled = (g * lr, x) if g.numel() < x.numel() else (g, x * lr)  # the smaller copy
                p.addmm_(scaled[0].T, scaled[1], alpha=-1)
            else:
                p.index_add_(0, b[0], a * lr, alpha=-1)
        return whole


def direct_updates(order: Sequence[Node]) -> dict[Node, DirectUpdate]:
    """For each update that can compute its gradient itself, how: nobody else reads the gradient,
    and what it is made of is no parameter, which another update may have changed by then."""
    readers = users(dict.fromkeys([*(i for n in order for i in n.inputs), *order]))
    found = {}
    for n in order:
        if n.op == DESCENT and n.type.rank == 2:
            terms: list[Node] = []
            gone: set[Node] = set()
            _take_apart(n.inputs[1], readers, terms, gone)
            if any(term in gone for term in terms):
                found[n] = DirectUpdate(n, tuple(terms), frozenset(gone))
    return found


def _take_apart(
    n: Node, readers: Mapping[Node, Sequence[Node]], terms: list[Node], gone: set[Node]
) -> None:
    """Add the terms of a gradient, and which nodes the update computes itself."""
    alone = not n.is_leaf and len(readers[n]) == 1
    if alone and n.op == SUMS and all(i.type.shape == n.type.shape for i in n.inputs):
        gone.add(n)
        for i in n.inputs:
            _take_apart(i, readers, terms, gone)
        return
    terms.append(n)
    rows = n.op == ROWS and n.attrs["axes"] == (0,)
    if alone and (n.op == PRODUCT or rows) and all(map(_stays, n.inputs)):
        gone.add(n)


def _stays(n: Node) -> bool:
    """Whether a value is the same when the update runs."""
    return in_arena(n) or n.op == "input"
