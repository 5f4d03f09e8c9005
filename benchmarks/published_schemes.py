"""The sparse update schemes of Lin et al., 2022, 'On-Device Training Under 256KB Memory', as data.

A scheme is how many biases learn, counted from the last convolution, and for each updated
convolution the share of its input channels whose weights learn; a share of 0 trains none of them.
Convolutions are numbered in the order in which they run.  The head always learns.
"""

from __future__ import annotations

from dataclasses import dataclass

import trainlet as tl
from trainlet.ir.graph import Graph


@dataclass(frozen=True)
class PublishedScheme:
    """`weights`: {number of a convolution: share of its input channels}."""

    biases: int
    weights: dict[int, float]

    def of(self, graph: Graph) -> tl.UpdateScheme:
        """For the int8 graph of its network."""
        layers = [n.name for n in graph.nodes() if n.op in ("conv2d_i8", "depthwise_i8")]
        ratios = {f"{name}.bias": 1.0 for name in layers[-self.biases :]}
        ratios |= {f"{layers[k]}.weight": share for k, share in self.weights.items() if share}
        return tl.UpdateScheme({**ratios, "classifier.weight": 1.0, "classifier.bias": 1.0})


def _scheme(biases: int, convolutions: str, shares: str) -> PublishedScheme:
    numbers, ratios = map(int, convolutions.split(",")), map(float, shares.split(","))
    return PublishedScheme(biases, dict(zip(numbers, ratios, strict=True)))


MOBILENET = "27,30,33,36,39,42,45,48"
PROXYLESS = "36,39,42,45,48,51,54,57"

SCHEMES: dict[str, dict[str, PublishedScheme]] = {
    "mcunet-5fps": {
        "49KB": _scheme(20, "23,24,27,30,33,39", "0,.25,.5,.5,0,0"),
        "74KB": _scheme(21, "21,23,24,26,27,30", "1,0,1,0,.5,1"),
        "99KB": _scheme(22, "21,24,27,30,36,39", "1,1,1,1,.125,.25"),
        "124KB": _scheme(24, "21,24,27,30,33,39", ".25,1,1,1,.5,.5"),
        "148KB": _scheme(23, "21,24,27,30,36,39", "1,1,1,1,1,.5"),
    },
    "mbv2-w0.35": {
        "49KB": _scheme(16, "36,39,40,41,42,45,48,49", "1,1,0,.25,.125,.125,.125,.125"),
        "73KB": _scheme(20, "32,33,36,39,41,42,45,48", ".125,.5,.5,1,.25,.125,.125,1"),
        "99KB": _scheme(25, MOBILENET, "1,1,1,1,1,.125,.5,1"),
        "123KB": _scheme(31, MOBILENET, "1,1,1,1,1,.5,1,1"),
        "138KB": _scheme(34, MOBILENET, "1,1,1,1,1,1,1,1"),
    },
    "proxyless-w0.3": {
        "49KB": _scheme(21, "39,42,44,45,50,51,54,57", ".25,1,0,1,0,.125,.25,.25"),
        "74KB": _scheme(28, "33,36,39,42,45,51,54,57", ".5,.25,1,1,1,.5,.25,.5"),
        "98KB": _scheme(25, PROXYLESS, "1,.5,1,1,.25,.5,1,1"),
        "120KB": _scheme(32, PROXYLESS, "1,1,1,1,.5,1,1,1"),
        "148KB": _scheme(45, PROXYLESS, "1,1,1,1,1,1,1,1"),
    },
}
