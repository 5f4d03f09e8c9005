"""The store of old examples: C and Python keep the same, and classes stay balanced."""

from __future__ import annotations

import ctypes as c
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from life.library import FLAGS
from trainlet.errors import DataError
from trainlet.life import Replay
from trainlet.life.library import C


class Struct(c.Structure):
    _fields_ = (
        ("items", c.c_void_p), ("labels", c.c_void_p), ("seen", c.c_void_p),
        *((name, c.c_uint32) for name in ("item_bytes", "capacity", "classes", "used", "random")),
    )  # fmt: skip


@cache
def library() -> c.CDLL:
    out = Path(mkdtemp()) / "replay.so"
    source = str(C / "trainlet_replay.c")
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", source, "-o", str(out)], check=True)
    lib = c.CDLL(str(out))
    lib.trainlet_replay_draw.restype = c.c_void_p
    return lib


@pytest.mark.parametrize("capacity, classes, seed", [(1, 1, 1), (10, 3, 7), (24, 5, 2**32 - 1)])
def test_c_keeps_and_draws_what_python_does(capacity: int, classes: int, seed: int):
    items, labels = np.zeros((capacity, 3), np.uint8), np.zeros(capacity, np.int32)
    seen = np.zeros(classes, np.uint32)
    pointers = (items.ctypes.data, labels.ctypes.data, seen.ctypes.data)
    struct = Struct(*pointers, 3, capacity, classes, 0, seed)
    replay = Replay(capacity, classes, seed)
    rng, label = np.random.default_rng(0), c.c_int32()
    assert library().trainlet_replay_draw(c.byref(struct), c.byref(label)) is None
    for k in range(500):
        item, own = bytes([k % 256, k // 256, 9]), int(rng.integers(classes) * rng.integers(2))
        kept = library().trainlet_replay_add(c.byref(struct), item, own) == 0
        assert kept == replay.add(item, own)
        at = library().trainlet_replay_draw(c.byref(struct), c.byref(label))
        assert (c.string_at(at, 3), label.value) == replay.draw()
    assert items[: struct.used].tobytes() == b"".join(replay.items)
    assert labels[: struct.used].tolist() == replay.labels


def test_a_rare_class_gets_its_share():
    replay = Replay(30, 3)
    stream = [0] * 500 + [1] * 500 + [2] * 12
    for number, label in enumerate(stream):
        replay.add(number, label)
    assert np.bincount(replay.labels).tolist() == [9, 10, 11]


def test_each_example_of_a_class_is_as_likely_to_stay():
    stays = np.zeros(100)
    for seed in range(1, 401):
        replay = Replay(20, 2, seed * 7919)
        for number in range(100):
            replay.add(number, number % 2)
        stays[replay.items] += 1
    first, second = stays[:50].mean() / 400, stays[50:].mean() / 400
    assert abs(first - 0.2) < 0.02 and abs(second - 0.2) < 0.02


def test_labels_out_of_range_and_an_empty_store_are_refused():
    replay = Replay(2, 2)
    with pytest.raises(DataError, match="no example is kept yet"):
        replay.draw()
    with pytest.raises(DataError, match="label 2 is out of range; allowed: 0 to 1"):
        replay.add(0, 2)
    items, labels, seen = np.zeros(2, np.uint8), np.zeros(2, np.int32), np.zeros(2, np.uint32)
    struct = Struct(items.ctypes.data, labels.ctypes.data, seen.ctypes.data, 1, 2, 2, 0, 1)
    assert [library().trainlet_replay_add(c.byref(struct), b"a", k) for k in (-1, 2)] == [-1, -1]
    assert struct.used == 0 and not seen.any()
