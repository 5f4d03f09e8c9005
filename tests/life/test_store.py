"""The store loses no committed state: power cut at each step, damaged bits, worn sectors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from life.library import EMPTY, SIZE, WORN, Store
from life.media import Cached, Entries, Flash, Posix

BLOB = 100
HAS_LITTLEFS = importlib.util.find_spec("littlefs") is not None

GEOMETRIES = {
    "bytes": (2, 256, 1),
    "words of 8": (3, 256, 8),
    "words of 32": (4, 256, 32),
    "two sectors a state": (4, 128, 8),
}


def blob(number: int) -> bytes:
    return bytes((number * 37 + k * 11) % 256 for k in range(BLOB))


def media(kind: str, folder: Path) -> Callable[[], Any]:
    if kind in GEOMETRIES:
        return lambda: Flash(*GEOMETRIES[kind])
    if kind == "cached":
        seeds = count()
        return lambda: Cached(3, 256, 8, next(seeds))
    if kind == "posix":
        return lambda: Posix(folder, 2, 256)
    if kind == "littlefs":
        from life.littlefs_medium import LittleFS

        return lambda: LittleFS(2, 512)
    return lambda: Entries(kind, 2, 256)


def kinds() -> Iterator[Any]:
    """Media, and at which steps the power is cut: at each one, where that is quick."""
    absent = pytest.mark.skipif(not HAS_LITTLEFS, reason="littlefs-python is absent")
    yield from ((kind, 1) for kind in (*GEOMETRIES, "cached", "zephyr", "esp_idf"))
    for kind, marks in (("posix", []), ("littlefs", [absent])):
        yield pytest.param(kind, 13, marks=marks)
        yield pytest.param(kind, 1, marks=[*marks, pytest.mark.slow])


@pytest.mark.parametrize("kind, stride", list(kinds()))
@pytest.mark.parametrize("before", [0, 1, 3])
def test_power_may_be_cut_at_each_step(kind: str, stride: int, before: int, tmp_path: Path):
    """before: so many states were saved before the one that is interrupted."""
    make = media(kind, tmp_path)
    for power in count(0, stride):
        medium = make()
        store = Store(medium.driver, BLOB)
        if kind == "posix":
            for path in tmp_path.iterdir():
                path.unlink()
        for number in range(before):
            assert store.save(blob(number)) == 0
        medium.power = power
        status = store.save(blob(before))
        cut = medium.power <= 0
        medium.restart()
        found = store.load()
        old = blob(before - 1) if before else EMPTY
        assert found == blob(before) if status == 0 else found in (old, blob(before))
        assert store.save(blob(before + 1)) == 0
        assert store.load() == blob(before + 1)
        if not cut:
            assert status == 0
            break
    assert power >= 4


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_each_damaged_byte_gives_the_newest_state_or_the_one_before(kind: str):
    medium = Flash(*GEOMETRIES[kind])
    store = Store(medium.driver, BLOB)
    for number in range(5):
        store.save(blob(number))
    found = set()
    for at in range(len(medium.bytes)):
        medium.bytes[at] ^= 0x10
        found.add(store.load())
        medium.bytes[at] ^= 0x10
    assert found == {blob(3), blob(4)}


def test_three_slots_survive_a_cut_and_a_damaged_byte():
    for power in count():
        medium = Flash(3, 256, 8)
        store = Store(medium.driver, BLOB)
        for number in range(4):
            store.save(blob(number))
        medium.power = power
        status = store.save(blob(4))
        medium.restart()
        newest = store.load()
        at = medium.bytes.index(newest[:16])
        medium.bytes[at] ^= 1
        assert store.load() in (blob(2), blob(3))
        if status == 0:
            break


def test_a_damaged_newest_state_does_not_cost_the_one_before():
    medium = Flash(2, 256, 8)
    store = Store(medium.driver, BLOB)
    store.save(blob(0))
    store.save(blob(1))
    medium.bytes[medium.bytes.index(blob(1)[:16])] ^= 1
    medium.power = 20
    assert store.save(blob(2)) == WORN
    medium.restart()
    assert store.load() == blob(0)


def test_all_slots_wear_alike():
    medium = Flash(5, 256, 8)
    store = Store(medium.driver, BLOB)
    for number in range(1000):
        assert store.save(blob(number)) == 0
    assert medium.erases == [200] * 5
    facts = store.facts()
    assert (facts.slots, facts.sequence, facts.erases) == (5, 1000, 200)


def test_a_sector_that_no_longer_takes_bytes_is_passed_over():
    medium = Flash(4, 256, 8)
    store = Store(medium.driver, BLOB)
    medium.broken = {1}
    for number in range(8):
        assert store.save(blob(number)) == 0
        assert store.load() == blob(number)
    medium.broken = {0, 1, 2, 3}
    assert store.save(blob(8)) == WORN
    assert store.load() == blob(7)


def test_a_save_that_fails_before_it_writes_changes_nothing():
    medium = Flash(2, 256, 8)
    store = Store(medium.driver, BLOB)
    store.save(blob(0))
    before = bytes(medium.bytes)
    assert store.save(blob(1), first=-6) == -6
    assert bytes(medium.bytes) == before


def test_a_state_that_the_program_refuses_gives_the_one_before():
    store = Store(Flash(3, 256, 8).driver, BLOB)
    store.save(blob(0))
    store.save(blob(1))
    assert store.load(refuse=(blob(1),)) == blob(0)
    assert store.load(refuse=(blob(0), blob(1))) == -4
    assert Store(store.driver, BLOB + 1).load() == EMPTY


@pytest.mark.parametrize(
    "sectors, sector, unit", [(1, 256, 8), (2, 100, 8), (2, 256, 0), (2, 256, 512), (3, 128, 8)]
)
def test_impossible_sizes_are_refused(sectors: int, sector: int, unit: int):
    driver = Flash(2, 256, 8).driver
    driver.sectors, driver.sector_bytes, driver.program_bytes = sectors, sector, unit
    store = Store(driver, BLOB)
    assert store.save(blob(0)) == store.load() == SIZE
