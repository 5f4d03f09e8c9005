"""Optimisations for eager execution, where operators run one by one and constants stay the same.

Constants are converted once, their largest values are looked at, and large integers go through a
CPU's cache in pieces.  Elsewhere the table keeps nothing and asks no tensor for its values: each
entry is then a function of its tensors alone, which a compiler can trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_PREPARED: Any = WeakIdKeyDictionary()
_eager = False

PIECE = 1 << 16
"""Number of elements whose temporary values fit a core's cache."""


@contextmanager
def one_by_one() -> Iterator[None]:
    """Inside, operators run one by one."""
    global _eager
    before, _eager = _eager, True
    try:
        yield
    finally:
        _eager = before


def is_eager() -> bool:
    """Whether operators run one by one, so that a tensor may be asked for its values."""
    return _eager


def prepared(source: Tensor, key: Any, make: Callable[[Tensor], Any]) -> Any:
    """make(source); where operators run one by one, kept as long as `source` lives."""
    if not _eager:
        return make(source)
    made = _PREPARED.setdefault(source, {})
    if key not in made:
        made[key] = make(source)
    return made[key]


def taken(source: Tensor, key: Any, make: Callable[[Tensor], Any]) -> Any:
    """Return what was prepared, and drop it from the cache."""
    if not _eager:
        return make(source)
    made = _PREPARED.get(source, {})
    return made.pop(key) if key in made else make(source)


def in_pieces(made: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same; one by one on a CPU for a few experiments at a time, whose integers then stay in
    the cache."""

    @wraps(made)
    def run(n: Any, *inputs: Tensor) -> Tensor:
        size, few = max(map(len, inputs)), max(1, PIECE // n.type.size)
        splits = all(len(i) in (1, size) for i in inputs) and inputs[0].device.type == "cpu"
        if not _eager or size <= few or not splits:
            return made(n, *inputs)
        starts = range(0, size, few)
        parts = ((i if len(i) == 1 else i[k : k + few] for i in inputs) for k in starts)
        return torch.cat([made(n, *part) for part in parts])

    return run
