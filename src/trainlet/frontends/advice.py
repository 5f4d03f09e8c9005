"""What to write instead of an operator that Trainlet does not know."""

from __future__ import annotations

_RANDOM = "a trainer has no random numbers; leave it out, or pass the numbers as an input"

_INSTEAD = {
    "embedding_bag one_hot": "nn.Embedding is known; a mean over it is an embedding bag",
    "conv_transpose3d": "nn.ConvTranspose1d, nn.ConvTranspose2d and nn.Conv3d are known",
}
_TABLE = {name: text for names, text in _INSTEAD.items() for name in names.split()}


def is_layer(name: str) -> bool:
    """Whether it is known for something else than the random numbers that it may draw."""
    return name in _TABLE


def advice(name: str, random: bool = False) -> str:
    """Advice for the ATen operator `name`; general advice if there is none for this operator."""
    if random:
        return _RANDOM
    known = _TABLE.get(name.rstrip("_"))
    general = "write it with layers and arithmetic that docs/start/what-it-supports.md lists"
    return known or general
