"""Products with constants that are mostly zeros, such as a filter bank over a spectrum."""

from __future__ import annotations

from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node, topological
from trainlet.ops.spectrum import band_spans, in_bands

MOST = 0.5
"""The largest share of a weight that bands hold where they are worth their spans."""


def learns(x: Node) -> bool:
    """Whether a parameter is part of what makes x, so that its gradient may be asked for."""
    return any(n.op == "param" for n in topological([x]))


def bands(at: Importer, x: Node, w: Node) -> Node | None:
    """x [..,K] times a constant [bands,K], if each of its rows has one short run of elements and
    no gradient passes; None where a plain product is as good."""
    if w.op != "const" or x.type.dtype != "float32" or learns(x):
        return None
    weight = at.values[w.name]
    spans = band_spans(weight)
    if not 0 < spans[1].sum() <= MOST * weight.size:
        return None
    taps = at.const(in_bands(weight, spans), f"{w.name}.bands")
    longest = int(spans[1].max())
    return at.build("bands", x, taps, at.index(spans, f"{w.name}.spans"), longest=longest)
