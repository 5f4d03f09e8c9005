"""What reads the samples of a sensor takes them as they are, and makes no more than is read."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ops.samples import on_samples
from trainlet.ops.spectrum import BANDS, SPECTROGRAM, with_bands


def read_samples(graph: Graph) -> Graph:
    """Operators on int16 samples need no float32 copy of them, and a spectrogram that only bands
    read is never there as a whole."""
    graph = rewrite(graph, on_samples)
    readers = users(graph.nodes())
    alone = {n for n, own in readers.items() if n.op == SPECTROGRAM.name and len(own) == 1}
    taken = {r for n in alone for r in readers[n] if r.op == BANDS.name}

    def rule(n: Node) -> Node | None:
        return with_bands(n, graph.values[n.inputs[2].name]) if n in taken else None

    return rewrite(graph, rule) if taken else graph
