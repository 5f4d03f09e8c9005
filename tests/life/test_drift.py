"""Drift and strange rows: C and Python alike, and the right verdict on rows of each kind."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from life.library import built
from trainlet.errors import DataError
from trainlet.life import Drift, Verdict

WIDTH, SETTLE = 20, 60


class Struct(c.Structure):
    _fields_ = (
        ("mean", c.c_void_p), ("inverse", c.c_void_p), ("width", c.c_uint32),
        ("settle", c.c_uint32), *((name, c.c_float) for name in ("strange", "slack", "limit")),
        *((name, c.c_uint32) for name in ("stuck", "seen", "same")),
        *((name, c.c_float) for name in ("last", "usual", "scatter", "sum")),
    )  # fmt: skip


library = partial(built, "drift")


class InC:
    """trainlet_drift with the numbers that TRAINLET_DRIFT gives."""

    def __init__(self, width: int, settle: int) -> None:
        self.arrays = np.zeros((2, width), np.float32)
        pointers = [a.ctypes.data for a in self.arrays]
        self.struct = Struct(*pointers, width, settle, 4.0, 1.0, 10.0, 8)

    def see(self, row: np.ndarray) -> int:
        held = np.ascontiguousarray(row, np.float32)
        return library().trainlet_drift_see(c.byref(self.struct), c.c_void_p(held.ctypes.data))


def usual(rng: np.random.Generator, many: int) -> np.ndarray:
    """Rows as features are: none below zero, each number at a scale of its own, one constant."""
    rows = np.maximum(rng.normal(1, 1, (many, WIDTH)), 0) * np.geomspace(0.01, 10, WIDTH)
    rows[:, 3] = 0.5
    return rows.astype(np.float32)


Change = Callable[[np.ndarray], np.ndarray]
CHANGES: dict[str, Change] = {
    "nothing": lambda rows: rows,
    "all louder": lambda rows: rows * 1.7,
    "some numbers moved": lambda rows: rows + np.eye(WIDTH)[16] * 20,
    "stuck": lambda rows: np.repeat(rows[:1], len(rows), 0),
}


def verdicts(rows: np.ndarray) -> list[int]:
    """Of Python, which are those of C."""
    ours, theirs = Drift(WIDTH, SETTLE), InC(WIDTH, SETTLE)
    found = [int(ours.see(row)) for row in rows]
    assert found == [theirs.see(row) for row in rows]
    assert ours.mean.tobytes() == theirs.arrays[0].tobytes()
    assert ours.inverse.tobytes() == theirs.arrays[1].tobytes()
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_c_gives_the_verdicts_of_python_and_drift_is_found(name: str):
    rng = np.random.default_rng(0)
    before, after = usual(rng, SETTLE + 100), CHANGES[name](usual(rng, 100))
    found = verdicts(np.concatenate([before, after]).astype(np.float32))
    assert found[:SETTLE] == [Verdict.SETTLING] * SETTLE
    quiet, late = found[SETTLE:-100], found[-100:]
    assert quiet.count(Verdict.LEARN) == 0 and quiet.count(Verdict.ASK) <= 3
    if name == "stuck":
        assert late[8:] == [Verdict.STUCK] * 92
    else:
        assert (Verdict.LEARN in late[:40]) == (name != "nothing")


def test_one_strange_row_asks_for_a_label_and_is_no_drift():
    rng = np.random.default_rng(1)
    rows = usual(rng, SETTLE + 20)
    rows[SETTLE + 10] *= -5
    found = verdicts(rows)
    assert found[SETTLE + 10] == Verdict.ASK
    assert Verdict.LEARN not in found


def test_after_a_reset_other_rows_are_usual():
    rng = np.random.default_rng(2)
    drift, theirs = Drift(WIDTH, SETTLE), InC(WIDTH, SETTLE)
    for row in usual(rng, SETTLE):
        assert drift.see(row) == theirs.see(row)
    drift.reset()
    library().trainlet_drift_reset(c.byref(theirs.struct))
    rows = usual(rng, SETTLE + 50) * np.float32(3)
    found = [drift.see(row) for row in rows]
    assert found == [theirs.see(row) for row in rows]
    assert Verdict.LEARN not in found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e20])
def test_numbers_that_are_not_finite_change_nothing(bad: float):
    drift, theirs = Drift(2, 4), InC(2, 4)
    row = np.array([1.0, bad], np.float32)
    assert theirs.see(row) == -301 and theirs.struct.seen == 0
    with pytest.raises(DataError, match="finite"):
        drift.see(row)
    assert drift.see([1.0, 2.0]) == Verdict.SETTLING


def test_a_watch_without_rows_to_settle_is_refused():
    assert InC(2, 1).see(np.zeros(2)) == -301
    with pytest.raises(DataError, match=r"\(3,\)"):
        Drift(3, 4).see([1.0])
