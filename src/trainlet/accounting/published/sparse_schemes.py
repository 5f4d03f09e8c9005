"""The sparse update schemes of Lin et al., 2022, 'On-Device Training Under 256KB Memory', as data.

A scheme is how many biases learn, counted from the last convolution, and for each updated
convolution the share of its input channels whose weights learn; a share of 0 trains none of them.
Convolutions are numbered in the order in which they run.  The head always learns.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.accounting.published.layers import Layer, Network, layers_of
from trainlet.accounting.published.networks import INT8
from trainlet.ir.scheme import UpdateScheme

RESOLUTION = 128


@dataclass(frozen=True)
class SparseScheme:
    """`weights`: {number of a convolution: share of its input channels}."""

    network: Network
    biases: int
    weights: dict[int, float]

    @property
    def update_scheme(self) -> UpdateScheme:
        """In the names of its network's file."""
        names = [layer.name for layer in convolutions(self.network)]
        ratios = {f"{name}.bias": 1.0 for name in names[-self.biases :]}
        ratios |= {f"{names[k]}.weight": share for k, share in self.weights.items() if share}
        return UpdateScheme({**ratios, "classifier.weight": 1.0, "classifier.bias": 1.0})


def convolutions(network: Network) -> tuple[Layer, ...]:
    """The convolutions in the order in which they run."""
    layers = layers_of(network, RESOLUTION, classes=1)
    return tuple(layer for layer in layers if layer.kind == "conv")


def _schemes(network: str, **given: str) -> dict[str, SparseScheme]:
    """Of 'biases; numbers of convolutions; shares'."""
    found = {}
    for name, scheme in given.items():
        biases, numbers, shares = scheme.split(";")
        pairs = zip(map(int, numbers.split(",")), map(float, shares.split(",")), strict=True)
        found[name.removeprefix("_")] = SparseScheme(INT8[network], int(biases), dict(pairs))
    return found


MOBILENET = "27,30,33,36,39,42,45,48"
PROXYLESS = "36,39,42,45,48,51,54,57"

SCHEMES: dict[str, dict[str, SparseScheme]] = {
    "mcunet-5fps": _schemes(
        "mcunet-5fps",
        _49KB="20; 23,24,27,30,33,39; 0,.25,.5,.5,0,0",
        _74KB="21; 21,23,24,26,27,30; 1,0,1,0,.5,1",
        _99KB="22; 21,24,27,30,36,39; 1,1,1,1,.125,.25",
        _124KB="24; 21,24,27,30,33,39; .25,1,1,1,.5,.5",
        _148KB="23; 21,24,27,30,36,39; 1,1,1,1,1,.5",
    ),
    "mbv2-w0.35": _schemes(
        "mbv2-w0.35",
        _49KB="16; 36,39,40,41,42,45,48,49; 1,1,0,.25,.125,.125,.125,.125",
        _73KB="20; 32,33,36,39,41,42,45,48; .125,.5,.5,1,.25,.125,.125,1",
        _99KB=f"25; {MOBILENET}; 1,1,1,1,1,.125,.5,1",
        _123KB=f"31; {MOBILENET}; 1,1,1,1,1,.5,1,1",
        _138KB=f"34; {MOBILENET}; 1,1,1,1,1,1,1,1",
    ),
    "proxyless-w0.3": _schemes(
        "proxyless-w0.3",
        _49KB="21; 39,42,44,45,50,51,54,57; .25,1,0,1,0,.125,.25,.25",
        _74KB="28; 33,36,39,42,45,51,54,57; .5,.25,1,1,1,.5,.25,.5",
        _98KB=f"25; {PROXYLESS}; 1,.5,1,1,.25,.5,1,1",
        _120KB=f"32; {PROXYLESS}; 1,1,1,1,.5,1,1,1",
        _148KB=f"45; {PROXYLESS}; 1,1,1,1,1,1,1,1",
    ),
}
