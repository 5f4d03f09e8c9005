"""Matrix products, softmax and attention."""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.shaping import transpose
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import HIDDEN, Importer, number
from trainlet.ir.graph import Node


@aten("matmul", "bmm", "mm")
def _matmul(at: Importer, a: Node, b: Node) -> Node:
    if b.type.rank == 2 and a.type.rank > 2:
        rows = at.reshape(a, (a.type.size // a.type.shape[-1], a.type.shape[-1]))
        return at.reshape(_matmul(at, rows, b), (*a.type.shape[:-1], b.type.shape[1]))
    return at.build("matmul", a, b)


@aten("softmax", "_softmax")
def _softmax(at: Importer, x: Node, axis: int, half_to_float: bool = False) -> Node:
    if half_to_float:
        raise UnsupportedError("half_to_float=True; allowed: False")
    axis %= x.type.rank
    if axis == x.type.rank - 1:
        return at.build("softmax", x)
    moved = transpose(at, x, axis, x.type.rank - 1)
    return transpose(at, at.build("softmax", moved), axis, x.type.rank - 1)


@aten("scaled_dot_product_attention")
def _attention(
    at: Importer,
    q: Node,
    k: Node,
    v: Node,
    mask: Node | None,
    dropout: float,
    causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Node:
    if dropout:
        raise UnsupportedError(
            f"dropout_p={dropout} is always on; a trainer has no random numbers: pass "
            "dropout_p=p if self.training else 0.0"
        )
    if enable_gqa:
        k, v = (repeated(at, x, q.type.shape[-3]) for x in (k, v))
    return attended(at, q, k, v, mask, causal, scale)


def attended(
    at: Importer,
    q: Node,
    k: Node,
    v: Node,
    mask: Node | None,
    causal: bool,
    scale: float | None,
    cap: float = 0.0,
) -> Node:
    """Attention of as many heads of keys and values as of queries.

    scale: of the logits, one over the root of their width if None; cap: bound of their size, 0 for
    none
    """
    factor = 1 / sqrt(q.type.shape[-1]) if scale is None else number(scale, "scale")
    logits = at.build("matmul", at.build("scale", q, factor=factor), k, tb=True)
    if cap:
        logits = at.build("scale", logits, factor=1 / cap)
        logits = at.build("scale", at.build("tanh", logits), factor=cap)
    if causal:
        hidden = np.triu(np.full(logits.type.shape[-2:], HIDDEN, np.float32), 1)
        logits = at.build("add", logits, at.const(hidden, f"{at.label}.causal"))
    if mask is not None:
        logits = at.build("add", logits, _added(at, mask))
    return at.build("matmul", at.build("softmax", logits), v)


def repeated(at: Importer, x: Node, heads: int) -> Node:
    """The heads of x, each repeated until there are as many as asked for."""
    *batch, own, rows, width = x.type.shape
    if own == heads:
        return x
    one = at.reshape(x, (*batch, own, 1, rows, width))
    many = at.build("broadcast_to", one, shape=(*batch, own, heads // own, rows, width))
    return at.reshape(many, (*batch, heads, rows, width))


def _added(at: Importer, mask: Node) -> Node:
    """What a mask adds to the logits: of booleans, nothing where they are true."""
    known = at.tensors.get(mask)
    if known is None:
        return mask
    shown = known if known.dtype == torch.bool else known > HIDDEN
    if not bool(shown.any(-1).all()):
        raise UnsupportedError("an attention mask with rows that hide every key")
    if known.dtype != torch.bool:
        return mask
    return at.const(np.where(known.numpy(), np.float32(0), HIDDEN), f"{mask.name}.added")
