"""A training that is stopped anywhere ends with the bits of one that is not."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import DivergedError, FileError, StateError
from trainlet.run.checkpoint import Checkpoint, Lesson, Saved, parts_of
from trainlet.run.dataset import Dataset, dataset
from trainlet.run.fit import fit
from trainlet.run.trainer import Trainer

EPOCHS, SEED, STEPS = 3, 5, 12


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """A shell's background job begins with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def program() -> tl.CompiledProgram:
    """Adam and sums over three steps of batches of two: moments, a counter and pending sums."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return tl.compile(
        model, torch.zeros(2, 6), "full", target="host", optimizer=tl.Adam(0.05), accumulate=3
    )


@pytest.fixture(scope="module")
def data(program) -> Dataset:
    rng = np.random.default_rng(0)
    return dataset(program, rng.standard_normal((9, 6)), rng.integers(0, 3, 9))


@pytest.fixture(scope="module")
def uninterrupted(program, data) -> bytes:
    with program.build("host") as trainer:
        moments = list(fit(trainer, data, EPOCHS, seed=SEED))
        assert [m.done for m in moments] == list(range(1, STEPS + 1))
        return trainer.save()


def checkpoint(folder: Path, program, data, trainer, **changes) -> Checkpoint:
    parts = parts_of(program, data, data, SEED) | changes
    return Checkpoint(folder / "state.bin", parts, trainer.save())


def lesson(trainer, data, kept: Checkpoint, said: list[str] | None = None) -> Lesson:
    """Begun, or gone on with."""
    begun = kept.read(STEPS)
    if begun:
        trainer.load(begun.state)
    begun = begun or Saved(0, b"", (1.5, None))
    return Lesson(trainer, data, EPOCHS, SEED, begun, kept, 0, (said or []).append)


def signalled(trainer: Trainer, at: int) -> None:
    """Ctrl-C comes in the middle of a step: the state has changed, the count has not."""
    real, calls = trainer.step, []

    def step(*words):
        loss = real(*words)
        calls.append(loss)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return loss

    trainer.step = step  # type: ignore[method-assign]


@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_interrupted_in_a_step(program, data, uninterrupted, tmp_path, at):
    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        signalled(trainer, at)
        first = lesson(trainer, data, kept)
        with pytest.raises(KeyboardInterrupt):
            list(first.moments())
        assert first.done == at
        first.keep()
    with program.build("host") as trainer:
        again = lesson(trainer, data, checkpoint(tmp_path, program, data, trainer))
        assert [m.done for m in again.moments()] == list(range(at + 1, STEPS + 1))
        assert trainer.save() == uninterrupted


def test_killed_anywhere(program, data, uninterrupted, tmp_path, monkeypatch):
    """Whatever is on the disk before or after any of its changes is enough to go on from."""
    snapshots, real = [], os.replace

    def replace(source, target):
        path = tmp_path / "state.bin.checkpoint"
        snapshots.append(path.read_bytes() if path.exists() else None)
        real(source, target)
        snapshots.append(path.read_bytes())

    with program.build("host") as trainer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            list(lesson(trainer, data, checkpoint(tmp_path, program, data, trainer)).moments())
        assert len(snapshots) == 2 * (STEPS + 2), "at the start, after each step, at the end"
        for found in dict.fromkeys(snapshots):
            kept = tmp_path / "state.bin.checkpoint"
            kept.unlink()
            if found is not None:
                kept.write_bytes(found)
            trainer.reset()
            list(lesson(trainer, data, checkpoint(tmp_path, program, data, trainer)).moments())
            assert trainer.save() == uninterrupted


def test_what_was_measured_before_comes_back(program, data, tmp_path):
    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        kept.write(Saved(4, trainer.save(), (0.1 + 0.2, 1 / 3)))
        assert kept.read(STEPS) == Saved(4, trainer.save(), (0.1 + 0.2, 1 / 3))


@pytest.mark.parametrize(
    "part", ["the network, scheme or options", "--lr", "--data", "--test", "--seed"]
)
def test_of_another_run(program, data, tmp_path, part):
    with program.build("host") as trainer:
        checkpoint(tmp_path, program, data, trainer).write(Saved(4, trainer.save(), (1.5, None)))
        other = checkpoint(tmp_path, program, data, trainer, **{part: "other"})
        with pytest.raises(StateError, match=f"another run, which differs in {part};.*--restart"):
            other.read(STEPS)


def test_each_part_depends_on_what_it_is_called(program, data):
    def differing(program, learn, measure, seed):
        other, own = parts_of(program, learn, measure, seed), parts_of(*usual)
        return [name for name in own if own[name] != other[name]]

    usual = program, data, data, SEED
    changed = Dataset(data.x, (data.y + 1) % 3)
    scaled = Dataset(np.nextafter(data.x, 9), data.y)
    assert differing(*usual) == []
    assert differing(program, changed, data, SEED) == ["--data"]
    assert differing(program, data, scaled, SEED) == ["--test"]
    assert differing(program, data, data, 6) == ["--seed"]
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    found = [
        tl.compile(model, torch.zeros(2, 6), "full", target="host", optimizer=how, accumulate=n)
        for how, n in ((tl.Adam(0.05), 3), (tl.SGD(0.05), 3), (tl.Adam(0.05), 2))
    ]
    assert len({parts_of(p, data, data, 0)["the network, scheme or options"] for p in found}) == 3
    assert differing(found[0], *usual[1:]) == ["the network, scheme or options"]


def test_the_start_may_be_what_the_run_has_overwritten(program, data, tmp_path):
    """`--load state.bin --save state.bin`: after Ctrl-C the file holds what was learnt."""
    with program.build("host") as trainer:
        kept, start = checkpoint(tmp_path, program, data, trainer), trainer.save()
        next(fit(trainer, data, 1))
        learnt = trainer.save()
        kept.write(Saved(1, learnt, (1.5, None)))
        assert checkpoint(tmp_path, program, data, trainer).read(STEPS)
        again = checkpoint(tmp_path, program, data, trainer)
        again.read(STEPS)
        next(fit(trainer, data, 1))
        again.write(Saved(2, trainer.save(), (1.5, None)))
        trainer.load(start)
        assert checkpoint(tmp_path, program, data, trainer).read(STEPS)
        trainer.load(learnt)
        with pytest.raises(StateError, match="differs in the state it starts from"):
            checkpoint(tmp_path, program, data, trainer).read(STEPS)


def test_fewer_steps_than_it_has(program, data, tmp_path):
    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        kept.write(Saved(4, trainer.save(), (1.5, None)))
        assert kept.read(4) is not None
        with pytest.raises(StateError, match="at step 4, and this run ends at 3; use more"):
            kept.read(3)


def test_each_damaged_byte_and_each_cut_is_refused(program, data, tmp_path):
    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        kept.write(Saved(4, trainer.save(), (1.5, None)))
        good = kept.path.read_bytes()
        for k in range(0, len(good), 7):
            for bad in (good[:k], good[:k] + bytes([good[k] ^ 1]) + good[k + 1 :]):
                kept.path.write_bytes(bad)
                with pytest.raises(StateError, match="is damaged; use --restart"):
                    kept.read(STEPS)


@pytest.mark.parametrize("full_from", range(2, STEPS + 3))
def test_a_disk_that_fills_up(program, data, uninterrupted, tmp_path, monkeypatch, full_from):
    """Learning goes on, the last checkpoint is whole, and with room again nothing is lost."""
    writes, said, real = [], [], os.fsync

    def fsync(handle):
        writes.append(handle)
        if len(writes) >= full_from:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        running = lesson(trainer, data, kept, said)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            list(running.moments())
            assert trainer.save() == uninterrupted
            with pytest.raises(FileError, match=f"No space.*holds step {full_from - 2:,} of 12"):
                running.write(tmp_path / "state.bin")
        assert said == [] or (len(said) == 1 and "learning goes on" in said[0])
        assert sorted(p.name for p in tmp_path.iterdir()) == ["state.bin.checkpoint"]
        trainer.reset()
        again = lesson(trainer, data, checkpoint(tmp_path, program, data, trainer))
        assert again.done == full_from - 2
        list(again.moments())
        assert trainer.save() == uninterrupted


def test_a_disk_that_is_full_stops_before_learning(program, data, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with program.build("host") as trainer:
        running = lesson(trainer, data, checkpoint(tmp_path, program, data, trainer))
        with pytest.raises(FileError, match="No space left"):
            next(running.moments())
        assert running.done == 0 and not list(tmp_path.iterdir())


def test_a_run_that_diverges_leaves_no_checkpoint(program, data, tmp_path):
    with program.build("host") as trainer:
        kept = checkpoint(tmp_path, program, data, trainer)
        running = lesson(trainer, data, kept)

        def diverge(*_):
            raise DivergedError("not finite")

        trainer.step = diverge  # type: ignore[method-assign]
        with pytest.raises(DivergedError):
            list(running.moments())
        assert not kept.path.exists()
