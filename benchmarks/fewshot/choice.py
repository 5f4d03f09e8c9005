"""What TinyTrain lets learn in each episode, as masks over the candidates of one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import trainlet as tl
from trainlet.ir.graph import Graph
from trainlet.ir.scheme import UpdateScheme

from .learning import PROTOTYPES, ROOMY, Masks, Pupil


@dataclass(frozen=True)
class Chosen:
    """What each episode's selection found."""

    graph: Graph
    selections: list[tl.schemes.Selection]

    @cached_property
    def candidates(self) -> UpdateScheme:
        """Everything that any of the episodes trains."""
        return UpdateScheme(dict.fromkeys((n for s in self.selections for n in s.scheme), 1.0))

    def held(self, k: int) -> Masks:
        """What does not learn in an episode."""
        return {
            name: _held(self.graph.values[name], self.selections[k].scheme, name)
            for name in self.candidates
        }

    def layers(self) -> dict[str, float]:
        """In which share of the episodes each weight was chosen."""
        names = [n for s in self.selections for n in s.scores if n in s.scheme]
        return {n: names.count(n) / len(self.selections) for n in sorted(set(names))}

    def mean(self, what: str) -> int:
        """Of a field of the selections: what their trainers need."""
        return round(float(np.mean([getattr(s, what) for s in self.selections])))


def choose(graph: Graph, pupils: Sequence[Pupil], *, ram: int, macs: int, **rule: Any) -> Chosen:
    """The layers and channels of each pupil, by its own examples and prototypes.

    rule: criterion and depth, as of `trainlet.schemes.Selector`
    """
    select = tl.schemes.Selector(graph, ram=ram, macs=macs, target=ROOMY, **rule)
    found = [select(p.episode.x, p.episode.y[:, None], {PROTOTYPES: p.prototypes}) for p in pupils]
    return Chosen(graph, found)


def _held(value: np.ndarray, scheme: UpdateScheme, name: str) -> np.ndarray:
    """Of a depthwise weight the channels lie along the first axis, of others along the second."""
    mask = np.ones(value.shape, bool)
    if name in scheme:
        rule = scheme.rule(name)
        every = slice(None)
        rows = list(rule) if isinstance(rule, tuple) else every
        mask[rows if value.ndim < 2 or value.shape[1] == 1 else (every, rows)] = False
    return mask
