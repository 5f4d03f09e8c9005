"""Which kernels shadow a reference kernel, and how their sources are found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainlet.backends import kernels
from trainlet.backends.target import PRESETS

REFERENCE = "reference"


def folder(name: str) -> Path:
    return kernels.KERNELS / name


def sources(path: Sequence[str]) -> list[Path]:
    """The kernels that a search path gives, one for each op."""
    names = sorted(file.name for file in folder(REFERENCE).glob("*.c"))
    return [kernels.find(name, tuple(path)) for name in names]


def shadowing(path: Sequence[str]) -> list[Path]:
    return [file for file in sources(path) if file.parent != folder(REFERENCE)]


FOLDERS = sorted({name for target in PRESETS.values() for name in target.kernels} - {REFERENCE})
"""The folders of kernels for some cores only."""
