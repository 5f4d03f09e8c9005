"""The store's C library, called from Python over any medium."""

from __future__ import annotations

import ctypes as c
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from trainlet.life.library import C

STUBS = Path(__file__).parent / "stubs"
UNIT = 64
EMPTY, SIZE, WORN = -101, -102, -103
FLAGS = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]

ERASE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint32)
PROGRAM = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint32, c.c_uint32, c.c_void_p, c.c_uint32)
SYNC = c.CFUNCTYPE(c.c_int, c.c_void_p)
MOVE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint32, c.c_void_p, c.c_uint32)
BLOB = c.CFUNCTYPE(c.c_int, MOVE, c.c_void_p)


class Driver(c.Structure):
    _fields_ = (
        *((name, c.c_uint32) for name in ("sectors", "sector_bytes", "program_bytes")),
        ("erase", ERASE), ("program", PROGRAM), ("read", PROGRAM), ("sync", SYNC),
        ("context", c.c_void_p),
    )  # fmt: skip


class Facts(c.Structure):
    _fields_ = (("slots", c.c_uint32), ("sequence", c.c_uint32), ("erases", c.c_uint32))


@cache
def built(name: str) -> c.CDLL:
    """trainlet_NAME.c alone."""
    out = Path(tempfile.mkdtemp()) / f"{name}.so"
    source = str(C / f"trainlet_{name}.c")
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", source, "-o", str(out)], check=True)
    return c.CDLL(str(out))


@cache
def library() -> c.CDLL:
    """The store and the drivers that need no other library; entries lie in stubs/entries.c."""
    out = Path(tempfile.mkdtemp()) / "store.so"
    names = ("store", "posix", "entries", "zephyr", "esp_idf")
    sources = [C / f"trainlet_{name}.c" for name in names] + [STUBS / "entries.c"]
    subprocess.run(
        ["gcc", *FLAGS, f"-DTRAINLET_STORE_UNIT_BYTES={UNIT}", "-shared", "-fPIC",
         f"-I{C}", f"-I{STUBS}", *map(str, sources), "-o", str(out)], check=True,
    )  # fmt: skip
    return c.CDLL(str(out))


class Store:
    """A store of blobs of one size over a driver."""

    def __init__(self, driver: Driver, size: int) -> None:
        self.driver, self.size = driver, size

    def save(self, blob: bytes, first: int = 0) -> int:
        """As trainer_save does: a header, the state, a checksum.  first: its status, if not 0."""

        def save(write: Callable[..., int], context: int) -> int:
            parts = ((0, blob[:16]), (16, blob[16:-4]), (len(blob) - 4, blob[-4:]))
            return first or -5 * any(write(context, at, part, len(part)) for at, part in parts)

        return library().trainlet_store_save(c.byref(self.driver), self.size, BLOB(save))

    def load(self, refuse: tuple[bytes, ...] = ()) -> int | bytes:
        """The blob, or the status."""
        found = c.create_string_buffer(self.size)

        def load(read: Callable[..., int], context: int) -> int:
            if read(context, 0, found, 16) or read(context, 16, c.byref(found, 16), self.size - 16):
                return -5
            return -4 if found.raw in refuse else 0

        status = library().trainlet_store_load(c.byref(self.driver), self.size, BLOB(load))
        return status or found.raw

    def facts(self) -> Facts:
        facts = Facts()
        call = library().trainlet_store_inspect
        assert not call(c.byref(self.driver), self.size, c.byref(facts))
        return facts
