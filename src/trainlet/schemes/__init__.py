"""Who learns: presets of update schemes, and schemes that are found by measurement."""

from trainlet.schemes.blocks import last_blocks, lisa
from trainlet.schemes.choosing import choosing
from trainlet.schemes.choosing_program import ChoosingProgram, ChoosingReport
from trainlet.schemes.contribution import Contribution, contribution
from trainlet.schemes.fisher import fisher_channels
from trainlet.schemes.planned_search import Found, search
from trainlet.schemes.presets import (
    bias,
    full,
    last,
    last_layers,
    lora,
    norm,
    preset,
    tinytl,
)
from trainlet.schemes.study import Episode
from trainlet.schemes.tinytrain import Selection, Selector, tinytrain
from trainlet.schemes.turns import Turns

__all__ = [
    "ChoosingProgram",
    "ChoosingReport",
    "Contribution",
    "Episode",
    "Found",
    "Selection",
    "Selector",
    "Turns",
    "bias",
    "choosing",
    "contribution",
    "fisher_channels",
    "full",
    "last",
    "last_blocks",
    "last_layers",
    "lisa",
    "lora",
    "norm",
    "preset",
    "search",
    "tinytl",
    "tinytrain",
]
