"""The tasks of the benchmark, each with a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .activity import activity
from .omniglot import handwriting, omniglot
from .signs import NETWORKS, signs
from .task import Task
from .words import words

TASKS: dict[str, Callable[[Path, Path], Task]] = {
    "activities": activity,
    "words": words,
    "alphabets-conv4": handwriting,
    "alphabets-inverted": omniglot,
    **{
        f"signs-{name}": lambda data, build, name=name: signs(data, build, name)
        for name in NETWORKS
    },
}
