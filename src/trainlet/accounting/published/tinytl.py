"""TinyTL's memory (Cai et al., 2020, 'TinyTL: Reduce Memory, Not Parameters'), figure by figure.

ProxylessNAS-Mobile with group norm and lite residual modules, 102 classes (Flowers), 32-bit
activations, frozen parameters in 8 bits.
"""

from __future__ import annotations

from trainlet.accounting.published.activations import (
    TINYTL,
    TRUE,
    TRUE_INT8_NORMS,
    Choice,
    Learns,
    Rules,
    memory,
)
from trainlet.accounting.published.layers import Layer, layers_of
from trainlet.accounting.published.networks import PROXYLESS_MOBILE
from trainlet.accounting.published.table import PublishedFigure, PublishedTable

CLASSES, FROZEN_BYTES = 102, 1


def _last(layer: Layer) -> bool:
    return layer.kind == "linear"


def _lite(layer: Layer) -> bool:
    return ".lite." in layer.name


def _lite_and_bias(layer: Layer) -> Learns:
    """The bias of a lite module's last norm is frozen: the block's last norm has one."""
    added_twice = layer.name.endswith(".lite.conv2.norm")
    return Learns(_lite(layer) or _last(layer), not added_twice)


SCHEMES: dict[str, Choice] = {
    "full": lambda layer: Learns(True, True),
    "norm + last": lambda layer: Learns(*2 * (layer.kind == "norm" or _last(layer),)),
    "last": lambda layer: Learns(*2 * (_last(layer),)),
    "TinyTL-B": lambda layer: Learns(_last(layer), True),
    "TinyTL-L": lambda layer: Learns(*2 * (_lite(layer) or _last(layer),)),
    "TinyTL-L+B": _lite_and_bias,
}

FIGURES = (  # scheme, resolution, batch, MB as printed
    ("full", 224, 8, "390.8"),
    ("norm + last", 224, 8, "192.4"),
    ("last", 224, 8, "30.8"),
    ("TinyTL-B", 224, 8, "31.7"),
    ("TinyTL-L", 224, 8, "37.1"),
    ("TinyTL-L+B", 224, 8, "37.1"),
    ("TinyTL-L+B", 320, 8, "64.7"),
    ("TinyTL-L+B", 224, 1, "13.9"),
)


def total(scheme: str, resolution: int, batch: int, rules: Rules) -> int:
    """Bytes of a training step of TinyTL's network."""
    layers = layers_of(PROXYLESS_MOBILE, resolution, CLASSES, lite=True)
    return memory(layers, SCHEMES[scheme], rules, FROZEN_BYTES).total(batch)


def tinytl() -> PublishedTable:
    """All eight figures, and what the group norms of the same networks make of them."""
    rows = []
    for scheme, resolution, batch, paper in FIGURES:
        nbytes = {r: total(scheme, resolution, batch, r) for r in (TINYTL, TRUE, TRUE_INT8_NORMS)}
        rows.append(
            PublishedFigure(
                f"{scheme}, {resolution}x{resolution}, batch {batch}",
                paper,
                nbytes[TINYTL],
                {"true": nbytes[TRUE], "true, norms in int8": nbytes[TRUE_INT8_NORMS]},
            )
        )
    notes = (
        "The paper charges a norm with a frozen weight nothing.  The network has group norms, and "
        "the gradient of a group norm's input needs its normalised input, frozen or not.",
        "true: charges it wherever a gradient passes.  int8: the normalised input kept in 8 bits.",
        "Gradients and the optimiser's state are in none of the columns.",
    )
    return PublishedTable("TinyTL: ProxylessNAS-Mobile, group norm", "MB", tuple(rows), notes)
