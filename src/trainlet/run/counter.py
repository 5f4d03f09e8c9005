"""Exact instruction counts under Unicorn: a hook on every block of code that is entered.

The hook is compiled C, kept in the user's cache; without a compiler it is Python, and slower.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import unicorn

from trainlet.backends.thumb import instructions
from trainlet.backends.toolchain import compile_shared
from trainlet.errors import ToolchainError
from trainlet.files import replacing

SOURCE = Path(__file__).parent / "count_blocks.c"


class State(ctypes.Structure):
    """As in count_blocks.c."""

    _fields_ = (
        ("count", ctypes.c_uint64),
        ("flash", ctypes.c_void_p),
        ("blocks", ctypes.c_void_p),
        ("start", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("unit", ctypes.c_uint32),
        ("taken", ctypes.c_uint32),
        ("next", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Weights:
    """What counts in place of instructions.

    blocks: of each block by its address and size, at most 65,535
    unit:   of an instruction of any other block
    taken:  of a jump, that is of a block that does not lie behind the one before
    """

    blocks: Mapping[tuple[int, int], int]
    unit: int
    taken: int


class Counter:
    """Counts the instructions that run from Flash, or their weights, from its construction on."""

    def __init__(self, core: Any, start: int, size: int, weights: Weights | None = None) -> None:
        weights = weights or Weights({}, 1, 0)
        self._core, self._weights, self._start = core, weights, start
        self._python = self._next = 0
        self._known: dict[tuple[int, int], int] = dict(weights.blocks)
        self._flash = ctypes.create_string_buffer(bytes(core.mem_read(start, size)), size)
        self._blocks = (ctypes.c_uint16 * size)()  # size and count for each halfword
        for (address, length), weight in weights.blocks.items():
            self._blocks[address - start] = length
            self._blocks[address - start + 1] = weight
        self._state = State(
            0, ctypes.addressof(self._flash), ctypes.addressof(self._blocks), start, size,
            weights.unit, weights.taken, 0,
        )  # fmt: skip
        if not self._hook_compiled():
            core.hook_add(unicorn.UC_HOOK_BLOCK, self._hook_python)

    @property
    def count(self) -> int:
        return self._state.count + self._python

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Address and size of every block that has run."""
        if self._known:
            return list(self._known)
        found = enumerate(self._blocks[::2])
        return [(self._start + 2 * k, size) for k, size in found if size]

    def _hook_compiled(self) -> bool:
        """Install a compiled hook through Unicorn's C library, where that works: its Python package
        has no compiled hooks."""
        try:
            from unicorn.unicorn_py3.unicorn import uclib

            self._library = ctypes.CDLL(str(compiled_hook()))
            handle, core = ctypes.c_size_t(), self._core._uch
        except (ImportError, AttributeError, OSError, ToolchainError):
            return False
        return 0 == uclib.uc_hook_add(
            core,
            ctypes.byref(handle),
            unicorn.UC_HOOK_BLOCK,
            ctypes.cast(self._library.count_block, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._state), ctypes.c_void_p),
            ctypes.c_uint64(1),  # from 1 to 0: everywhere
            ctypes.c_uint64(0),
        )

    def _hook_python(self, core: Any, address: int, size: int, data: Any) -> None:
        block = address, size
        if block not in self._known:
            code = bytes(core.mem_read(address, size))
            count = sum(1 for _ in instructions(address, code))
            self._known[block] = self._weights.unit * count
        self._python += self._known[block]
        self._python += 0 if address == self._next else self._weights.taken
        self._next = address + size


def cache_folder() -> Path:
    """Where the compiled hook is kept: the user's cache, else a temporary folder."""
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root) / "trainlet"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return Path(_temporary_folder().name)


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """It disappears when the process ends."""
    return tempfile.TemporaryDirectory(prefix="trainlet-")


def compiled_hook() -> Path:
    """The hook's library; compiled when its source is new here."""
    path = cache_folder() / f"count-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if not path.exists():
        with replacing(path) as made:  # another process may be doing the same
            compile_shared([SOURCE], made)
    return path
