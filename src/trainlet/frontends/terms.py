"""What the parameters of a folded layer are called, and how the user's are told from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trainlet.ir.storage import Storage


@dataclass(frozen=True)
class Term:
    """A parameter of the user's: folded = term * factor + offset, a number for each output channel.

    channels: the axis of these; None is the first
    alone: whether the folded one may stand for this one; else it learns through another term
    """

    name: str
    factor: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    channels: int | None = None
    alone: bool = True

    def stored(self, folded: Storage) -> Storage | None:
        """How a leaf is made of this term, given how it is made of the folded parameter."""
        if not self.alone:
            return None
        return replace(folded, factor=self.factor, offset=self.offset, channels=self.channels)


@dataclass(frozen=True)
class Names:
    """Of layers: what their biases are called, and the terms of what was folded into them.

    biases: by the layer's own name of the bias; by the weight's name where it has no bias
    weight_terms, bias_terms: by the weight's name

    The first term is the one that a folded parameter stands for where several of them learn.
    """

    biases: Mapping[str, str] = field(default_factory=dict)
    weight_terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    bias_terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
