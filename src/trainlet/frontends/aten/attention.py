"""Matrix products, softmax and attention."""

from __future__ import annotations

from math import sqrt

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.shaping import transpose
from trainlet.frontends.aten.table import aten
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node


@aten("matmul", "bmm", "mm")
def _matmul(at: Importer, a: Node, b: Node) -> Node:
    if b.type.rank == 2 and a.type.rank > 2:
        rows = at.reshape(a, (a.type.size // a.type.shape[-1], a.type.shape[-1]))
        return at.reshape(_matmul(at, rows, b), (*a.type.shape[:-1], b.type.shape[1]))
    return at.build("matmul", a, b)


@aten("softmax", "_softmax")
def _softmax(at: Importer, x: Node, axis: int, *_: object) -> Node:
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
    mask: Node | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Node:
    if enable_gqa:
        raise UnsupportedError("scaled_dot_product_attention with enable_gqa; repeat the heads")
    factor = 1 / sqrt(q.type.shape[-1]) if scale is None else scale
    logits = at.build("matmul", at.build("scale", q, factor=factor), k, tb=True)
    if causal:
        hidden = np.triu(np.full(logits.type.shape[-2:], -1e9, np.float32), 1)
        logits = at.build("add", logits, at.const(hidden, f"{at.label}.causal"))
    if mask is not None:
        logits = at.build("add", logits, mask)
    return at.build("matmul", at.build("softmax", logits), v)
