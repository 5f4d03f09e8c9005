"""What `trainer_load` does with blobs and readers that fail, lie, or say what cannot be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import StateError
from trainlet.planning.blob import HEADER, Saved
from trainlet.run.native import NativeDevice
from trainlet.run.simulated import OracleDevice

OK, STATE, IO = 0, -4, -5
OPTIMISERS = {"sgd": tl.SGD(0.1), "momentum": tl.SGD(0.1, momentum=0.9), "adam": tl.Adam(0.1)}
EACH = pytest.mark.parametrize("name", [*OPTIMISERS, "every third"])
X = np.array([[0.5, -1.0]], np.float32)


@cache
def program(name: str) -> CompiledProgram:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    options: dict = {"accumulate": 3} if name == "every third" else {"optimizer": OPTIMISERS[name]}
    return tl.compile(model, torch.zeros(1, 2), "full", target="host", **options)


@pytest.fixture
def trainer(name: str) -> Iterator[tl.Trainer]:
    """After two steps, so that nothing is as it was at the beginning."""
    with program(name).build("host") as made:
        for label in (0, 1):
            made.step(X, [label])
        yield made


def status(trainer: tl.Trainer, read: Callable[[int, int], bytes | None]) -> int:
    """What `trainer_load` returns; read: offset, size -> bytes, or None to fail half-way."""
    device = trainer.device
    assert isinstance(device, NativeDevice)

    def called(_: object, offset: int, target: object, size: int) -> int:
        data = read(offset, size)
        given = b"Z" * (size // 2) if data is None else data
        device._ffi.memmove(target, given, len(given))
        return -1 if data is None else 0

    callback = device._ffi.callback("reader", called, error=-1)
    return device._function("load")(callback, device._ffi.NULL)


def whole(blob: bytes) -> Callable[[int, int], bytes | None]:
    def read(at: int, size: int) -> bytes | None:
        return blob[at : at + size] if at + size <= len(blob) else None

    return read


def faulty(blob: bytes, good: int, lies: bool) -> Callable[[int, int], bytes | None]:
    """Storage whose first `good` reads are right; then it lies at each, or fails at the next."""
    turn = 0

    def read(at: int, size: int) -> bytes | None:
        nonlocal turn
        turn += 1
        given = bytearray(whole(blob)(at, size) or b"")
        given[size // 2] ^= 0x40 if turn > good else 0
        return bytes(given) if lies or turn != good + 1 else None

    return read


def older(trainer: tl.Trainer) -> bytes:
    """Another good state."""
    with trainer.program.build("host") as other:  # type: ignore[attr-defined]
        other.step(X, [1])
        return other.save()


def sealed(body: bytes) -> bytes:
    """With the right checksum."""
    return body + struct.pack("<I", zlib.crc32(body))


@EACH
def test_every_truncation_and_bit_flip_is_refused(trainer: tl.Trainer) -> None:
    before, blob = trainer.save(), older(trainer)
    for size in range(len(blob)):
        assert status(trainer, whole(blob[:size])) == IO
    for bit in range(8 * len(blob)):
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        assert status(trainer, whole(bytes(damaged))) == STATE
    assert trainer.save() == before
    assert status(trainer, whole(blob)) == OK
    assert trainer.save() == blob


@pytest.mark.parametrize("word", range(4), ids=["magic", "version", "fingerprint", "size"])
@EACH
def test_the_header_of_another_program_with_a_right_checksum(
    trainer: tl.Trainer, word: int
) -> None:
    before, blob = trainer.save(), older(trainer)
    header = list(struct.unpack_from("<4I", blob))
    header[word] ^= 4
    foreign = sealed(struct.pack("<4I", *header) + blob[16:-4])
    assert status(trainer, whole(foreign)) == STATE
    assert trainer.save() == before


@EACH
def test_a_reader_that_fails_or_lies_at_any_read(trainer: tl.Trainer) -> None:
    """Whatever it does, the state is the old one, or the new one as its checksum has it."""
    before, blob = trainer.save(), older(trainer)
    reads = 0

    def counted(at: int, size: int) -> bytes | None:
        nonlocal reads
        reads += 1
        return whole(blob)(at, size)

    assert status(trainer, counted) == OK
    assert status(trainer, whole(before)) == OK
    for bad in range(reads):
        for lies in (False, True):
            assert status(trainer, faulty(blob, bad, lies)) == (STATE if lies else IO)
            assert trainer.save() == before


@EACH
def test_no_byte_is_read_twice(trainer: tl.Trainer) -> None:
    """A reader that gives other bytes the second time cannot be believed the first time."""
    blob, seen = older(trainer), list[int]()

    def read(at: int, size: int) -> bytes | None:
        seen.extend(range(at, at + size))
        return whole(blob)(at, size)

    assert status(trainer, read) == OK
    assert seen == list(range(len(blob)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@EACH
def test_a_number_that_is_none_with_a_right_checksum(trainer: tl.Trainer, bad: float) -> None:
    """In any leaf, first element and last: refused by the C, by Python, by the oracle."""
    before, layout = trainer.save(), trainer.program.layout
    saved, oracle = layout.unpack(before), OracleDevice(trainer.program)
    kept = oracle.save()
    floats = [n for n in layout.leaves if n.type.dtype == "float32"]
    assert floats
    for n in floats:
        for at in (0, -1):
            array = saved.arrays[n.name].copy()
            array.reshape(-1)[at] = bad
            blob = layout.pack(Saved({**saved.arrays, n.name: array}, saved.pending))
            assert status(trainer, whole(blob)) == STATE
            with pytest.raises(StateError, match=f"'{n.name}' holds NaN or infinity"):
                trainer.load(blob)
            with pytest.raises(StateError, match="NaN or infinity"):
                oracle.load(blob)
    assert (trainer.save(), oracle.save()) == (before, kept)


@pytest.mark.parametrize("name", ["every third"])
@pytest.mark.parametrize("counters", [(3, 3), (7, 3), (2**32 - 1, 3), (1, 2), (2, 4)])
def test_an_impossible_count_of_pending_steps(
    trainer: tl.Trainer, counters: tuple[int, int]
) -> None:
    """As many as make an update, or more; or shares of a mean of another number of steps."""
    before = trainer.save()
    body = bytearray(before[:-4])
    struct.pack_into("<2I", body, HEADER.size, *counters)
    blob = sealed(bytes(body))
    assert status(trainer, whole(blob)) == STATE
    with pytest.raises(StateError, match="pending"):
        trainer.load(blob)
    with pytest.raises(StateError, match="pending"):
        OracleDevice(trainer.program).load(blob)
    assert trainer.save() == before


@pytest.mark.parametrize("name", ["adam"])
@pytest.mark.parametrize(
    ("leaf", "value"),
    [("0.weight.adam_v", -1e-3), ("adam.power1", -0.1), ("adam.power2", 1.1)],
)
def test_what_adam_cannot_hold(trainer: tl.Trainer, leaf: str, value: float) -> None:
    """A negative second moment has no root; powers of the betas are in 0..1."""
    before, layout = trainer.save(), trainer.program.layout
    saved = layout.unpack(before)
    array = np.full_like(saved.arrays[leaf], value)
    blob = layout.pack(Saved({**saved.arrays, leaf: array}, saved.pending))
    assert status(trainer, whole(blob)) == STATE
    with pytest.raises(StateError, match=f"'{leaf}' holds .*; possible"):
        trainer.load(blob)
    assert trainer.save() == before


@pytest.mark.parametrize("name", ["every third"])
def test_another_number_of_steps_takes_a_state_without_pending_ones(trainer: tl.Trainer) -> None:
    trainer.step(X, [0])
    blob = trainer.save()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    other = tl.compile(model, torch.zeros(1, 2), "full", target="host", accumulate=2)
    oracle = tl.Trainer(other, OracleDevice(other))
    oracle.load(blob)
    with other.build("host") as made:
        assert status(made, whole(blob)) == OK
        assert made.save() == oracle.save()
