"""Where a store lies in these tests, and how its power is cut."""

from __future__ import annotations

import ctypes as c
import random
from pathlib import Path
from typing import Any

from life.library import ERASE, PROGRAM, SYNC, UNIT, Driver, library

FULL = 1 << 30
ERASE_STEPS = 4


class Flash:
    """NOR Flash: an erase makes ones, a unit is programmed once.

    power: after so many steps it fails: bytes that are programmed, or quarters of an erase.
    """

    def __init__(self, sectors: int, sector: int, unit: int) -> None:
        self.sector, self.unit, self.power = sector, unit, FULL
        self.bytes = bytearray(b"\xa5" * sectors * sector)
        self.free: set[int] = set()
        self.erases = [0] * sectors
        self.broken: set[int] = set()
        functions = ERASE(self.erase), PROGRAM(self.program), PROGRAM(self.read), SYNC()
        self.driver = Driver(sectors, sector, unit, *functions, None)

    def steps(self, wanted: int) -> int:
        done = max(min(wanted, self.power), 0)
        self.power -= wanted
        return done

    def erase(self, _: Any, number: int) -> int:
        if self.power <= 0:
            return -1
        done = self.steps(ERASE_STEPS)
        at, end = number * self.sector, (number + 1) * self.sector
        self.bytes[at : at + self.sector * done // ERASE_STEPS] = b"\xff" * (
            self.sector * done // ERASE_STEPS
        )
        if done < ERASE_STEPS:
            return -1
        self.erases[number] += 1
        self.free.update(range(at, end, self.unit))
        return 0

    def program(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        if self.power <= 0:
            return -1
        at = number * self.sector + offset
        assert size == self.unit and offset + size <= self.sector and at in self.free
        self.free.remove(at)
        done = self.steps(size)
        self.bytes[at : at + done] = c.string_at(data, done)
        if number in self.broken:
            self.bytes[at] ^= 1
        return -(done < size)

    def read(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        assert offset + size <= self.sector
        at = number * self.sector + offset
        c.memmove(data, bytes(self.bytes[at : at + size]), size)
        return -(self.power <= 0)

    def restart(self) -> None:
        self.power = FULL


class Cached(Flash):
    """Flash behind a cache: of what was not synchronised, a cut keeps any part in any order."""

    def __init__(self, sectors: int, sector: int, unit: int, seed: int) -> None:
        super().__init__(sectors, sector, unit)
        self.random, self.kept = random.Random(seed), bytes(self.bytes)
        self.driver.sync = SYNC(self.sync)

    def sync(self, _: Any) -> int:
        if self.power > 0:
            self.kept = bytes(self.bytes)
        return -(self.power <= 0)

    def restart(self) -> None:
        units = range(0, len(self.bytes), self.unit)
        for at in (at for at in units if self.random.random() < 0.5):
            self.bytes[at : at + self.unit] = self.kept[at : at + self.unit]
        super().restart()


class Posix(Flash):
    """Files in a folder, by the driver in C."""

    def __init__(self, folder: Path, sectors: int, sector: int) -> None:
        super().__init__(sectors, sector, UNIT)
        self.folder = str(folder).encode()
        self.driver.sync = SYNC(self.sync)

    def erase(self, _: Any, number: int) -> int:
        done = self.power > 0 and self.steps(1)
        return library().trainlet_posix_erase(self.folder, number) if done else -1

    def program(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        done = self.steps(size)
        if not done:
            return -1
        call = library().trainlet_posix_program
        return call(self.folder, number, offset, c.c_void_p(data), done) or -(done < size)

    def read(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        call = library().trainlet_posix_read
        return call(self.folder, number, offset, c.c_void_p(data), size) or -(self.power <= 0)

    def sync(self, _: Any) -> int:
        return library().trainlet_posix_sync(self.folder) or -(self.power <= 0)


class Entries:
    """Entries of a system that keeps each one whole (stubs/entries.c), by the drivers in C."""

    def __init__(self, name: str, sectors: int, sector: int) -> None:
        lib = library()
        lib.forget()
        names = ("put", "get", "drop")
        calls = [getattr(lib, f"trainlet_{name}_{what}") for what in names]
        sync = lib.trainlet_esp_idf_sync if name == "esp_idf" else None
        self.ids = c.create_string_buffer(64)  # a handle of 0, or a file system and a first id
        pointers = [c.cast(call, c.c_void_p) for call in (*calls, sync) if call]
        pointers += [c.c_void_p()] * (4 - len(pointers))

        class Described(c.Structure):
            _fields_ = (("sector_bytes", c.c_uint32), *((f"f{k}", c.c_void_p) for k in range(5)))

        self.entries = Described(sector, *pointers, c.addressof(self.ids))
        functions = [
            kind(c.cast(getattr(lib, f"trainlet_entries_{what}"), c.c_void_p).value)
            for what, kind in (
                ("erase", ERASE), ("program", PROGRAM), ("read", PROGRAM), ("sync", SYNC),
            )
        ]  # fmt: skip
        self.driver = Driver(sectors, sector, UNIT, *functions, c.addressof(self.entries))

    @property
    def power(self) -> int:
        return c.c_int.in_dll(library(), "power").value

    @power.setter
    def power(self, value: int) -> None:
        c.c_int.in_dll(library(), "power").value = value

    def restart(self) -> None:
        self.power = FULL
