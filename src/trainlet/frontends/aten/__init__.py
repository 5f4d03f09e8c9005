"""The ATen operators that Trainlet knows; importing the package fills the table."""

from trainlet.frontends.aten import (
    attention,
    conditions,
    elementwise,
    fills,
    functions,
    layers,
    losses,
    moves,
    norms,
    pooling,
    recurrent,
    reductions,
    resizing,
    shaping,
    spectra,
    volumes,
)
from trainlet.frontends.aten.table import ATEN, OF_CONDITIONS

__all__ = [
    "ATEN",
    "OF_CONDITIONS",
    "attention",
    "conditions",
    "elementwise",
    "fills",
    "functions",
    "layers",
    "losses",
    "moves",
    "norms",
    "pooling",
    "recurrent",
    "reductions",
    "resizing",
    "shaping",
    "spectra",
    "volumes",
]
