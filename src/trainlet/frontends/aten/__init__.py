"""The ATen operators that Trainlet knows; importing the package fills the table."""

from trainlet.frontends.aten import (
    attention,
    elementwise,
    fills,
    layers,
    pooling,
    recurrent,
    shaping,
)
from trainlet.frontends.aten.table import ATEN

__all__ = [
    "ATEN",
    "attention",
    "elementwise",
    "fills",
    "layers",
    "pooling",
    "recurrent",
    "shaping",
]
