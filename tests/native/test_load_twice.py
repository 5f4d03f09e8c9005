"""`trainer_load` where the arena has no room for a second state: a blob is read twice."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import TrainletError

from .test_saved_state import IO, OK, STATE, X, faulty, older, sealed, status, whole

OPTIONS = {
    "adam": {"optimizer": tl.Adam(0.1)},
    "adam on sums": {"optimizer": tl.Adam(0.1), "accumulate": 3},
}


def program(name: str, rollback: bool = False) -> tl.CompiledProgram:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    given = torch.zeros(1, 2)
    return tl.compile(model, given, "full", target="host", rollback=rollback, **OPTIONS[name])  # type: ignore[arg-type]


@pytest.fixture(params=OPTIONS)
def trainer(request: pytest.FixtureRequest) -> Iterator[tl.Trainer]:
    with program(request.param).build("host") as made:
        for label in (0, 1):
            made.step(X, [label])
        yield made


def unset() -> AbstractContextManager[object]:
    return pytest.raises(TrainletError, match="returned -6")


@pytest.mark.parametrize("name", OPTIONS)
def test_the_arena_is_as_small_as_the_plan_says(name: str) -> None:
    bare, kept = program(name), program(name, rollback=True)
    plans = [stage.plan.arena for stage in bare.planned]
    assert bare.arena_bytes == max(plans) < bare.state_bytes == kept.state_bytes <= kept.arena_bytes
    assert not bare.staged and kept.staged


def test_a_step_alone_can_be_taken_back() -> None:
    """Integers saturate, so that only the state needs room."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4)).eval()
    x, scheme = torch.randn(1, 32), {"0.weight": 1.0, "2.bias": 1.0}
    given = {"precision": "int8", "calibration": [x.numpy()], "target": "host"}
    twice, once = (tl.compile(model, x, scheme, rollback=r, **given) for r in ("step", True))  # type: ignore[arg-type]
    assert twice.arena_bytes < once.arena_bytes == once.state_bytes
    assert not twice.staged and twice.plan.undo is not None and twice.plan.undo.restores


def test_every_truncation_and_bit_flip_is_refused(trainer: tl.Trainer) -> None:
    """A blob that is bad when it is first read changes nothing, as with room for two states."""
    before, blob = trainer.save(), older(trainer)
    for size in range(len(blob)):
        assert status(trainer, whole(blob[:size])) == IO
    for byte in range(len(blob)):
        damaged = bytearray(blob)
        damaged[byte] ^= 1 << byte % 8
        assert status(trainer, whole(bytes(damaged))) == STATE
    assert trainer.save() == before
    assert status(trainer, whole(blob)) == OK
    assert trainer.save() == blob


def test_a_reader_that_fails_or_lies_at_any_read(trainer: tl.Trainer) -> None:
    """The state is the old one, the new one, or none until a good load: never a part of each."""
    before, blob = trainer.save(), older(trainer)
    reads = list[tuple[int, int]]()

    def counted(at: int, size: int) -> bytes | None:
        reads.append((at, size))
        return whole(blob)(at, size)

    assert status(trainer, counted) == OK
    assert sum(size for _, size in reads) == len(blob) + trainer.program.state_bytes
    for bad in range(len(reads)):
        for lies in (False, True):
            assert status(trainer, whole(before)) == OK
            assert status(trainer, faulty(blob, bad, lies)) == (STATE if lies else IO)
            if bad < len(reads) - 1:
                assert trainer.save() == before
                continue
            for call in (trainer.save, lambda: trainer.predict(X), lambda: trainer.step(X, [0])):
                with unset():
                    call()
    trainer.reset()
    trainer.step(X, [0])


def test_nan_with_a_right_checksum_is_never_used(trainer: tl.Trainer) -> None:
    blob = older(trainer)
    at = 16 + 4 * 5
    bad = sealed(blob[:at] + struct.pack("<f", np.nan) + blob[at + 4 : -4])
    assert status(trainer, whole(bad)) == STATE
    with unset():
        trainer.predict(X)
    assert status(trainer, whole(blob)) == OK
    assert trainer.save() == blob


def test_an_impossible_count_with_a_right_checksum_is_never_used() -> None:
    with program("adam on sums").build("host") as trainer:
        blob = trainer.save()
        assert (
            status(trainer, whole(sealed(blob[:16] + struct.pack("<I", 3) + blob[20:-4]))) == STATE
        )
        with unset():
            trainer.save()
        assert status(trainer, whole(blob)) == OK


@pytest.mark.parametrize("name", OPTIONS)
def test_under_the_sanitizers(name: str) -> None:
    with program(name).build("sanitized") as trainer:
        trainer.step(X, [0])
        blob = trainer.save()
        trainer.reset()
        trainer.load(blob)
        assert trainer.save() == blob
        trainer.step(X, [0])
