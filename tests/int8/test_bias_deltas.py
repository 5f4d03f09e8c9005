"""A trained bias as the int16 difference to its pretrained value in Flash: the bits of an int32
bias, until a difference saturates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from int8.networks import program, roomy
from int8.test_devices import lesson, same_steps
from trainlet.backends.record import print_record, read_record, record_of
from trainlet.compiled import CompiledProgram
from trainlet.errors import FileError, StateError
from trainlet.planning.blob import Saved
from trainlet.planning.limits import needed
from trainlet.run.simulated import OracleDevice

MOST = 32767


def compiled(bits: int, target: str | tl.Target = "host") -> tuple[CompiledProgram, np.ndarray]:
    return program("ds_cnn", target, tl.Int8(bias_bits=bits))


def biases(made: CompiledProgram) -> list[str]:
    return [n.name for n in made.params if n.type.dtype in ("int16", "int32")]


def far(made: CompiledProgram, blob: bytes) -> bytes:
    """The state with every eighth difference at its limit, or a few units from it."""
    rng, arrays = np.random.default_rng(5), dict(made.layout.unpack(blob).arrays)
    for name in biases(made):
        moved = arrays[name].copy()
        ends = rng.choice([-MOST, MOST], moved.shape) // rng.choice([1, 1, 2], moved.shape)
        arrays[name] = np.where(rng.random(moved.shape) < 1 / 8, ends, moved).astype(np.int16)
    return made.layout.pack(Saved(arrays))


def test_half_the_ram_and_the_same_bits() -> None:
    (wide, x), (short, _) = compiled(32), compiled(16)
    with wide.build("host") as one, short.build("host") as other:
        assert lesson(one, x)[0] == lesson(other, x)[0]
        learnt = other.state()
        for name, value in one.state().items():
            np.testing.assert_array_equal(learnt[name], value, err_msg=name)
    elements = sum(n.type.size for n in wide.params if n.name in biases(wide))
    assert wide.state_bytes - short.state_bytes == 2 * elements
    assert needed(wide)[1] == needed(short)[1]  # in Flash either what they start from, or the base
    [deltas] = [c.nbytes for c in short.report.costs if c.name == "int16 deltas of biases"]
    assert deltas == 2 * elements


@pytest.mark.parametrize(
    ("core", "device"),
    [
        pytest.param("cortex-m4", "unicorn", marks=pytest.mark.long),
        ("cortex-m7", "unicorn"),
        pytest.param("cortex-m55", "qemu", marks=pytest.mark.qemu),
        ("host", "sanitized"),
    ],
)
def test_saturated_differences_are_the_same_everywhere(core: str, device: str) -> None:
    made, x = compiled(16, "host" if core == "host" else roomy(core))
    with made.build("host") as host, made.build(device) as other:
        blob = far(made, host.save())
        learnt = same_steps(made, x, blob, host, other)
        before, after = (made.layout.unpack(b).arrays for b in (blob, learnt))
        moved = [(before[name], after[name]) for name in biases(made)]
    assert any(((a == b) & (np.abs(b) == MOST)).any() for a, b in moved)
    assert any(((a != b) & (np.abs(b) < MOST)).any() for a, b in moved)
    assert all(np.abs(b.astype(np.int64)).max() <= MOST for _, b in moved)


def test_a_state_that_is_too_far_away_is_clipped() -> None:
    made, _ = compiled(16)
    trainer = tl.Trainer(made, OracleDevice(made))
    state = trainer.state()
    name = biases(made)[0]
    trainer.load_state({name: state[name] + 1e6})
    assert (made.layout.unpack(trainer.save()).arrays[name] == MOST).all()
    assert (trainer.state()[name] > state[name]).all()


def test_states_go_from_one_to_the_other_and_back() -> None:
    (wide, x), (short, _) = compiled(32), compiled(16)
    assert wide.layout.fingerprint != short.layout.fingerprint
    with wide.build("host") as trainer:
        lesson(trainer, x, 3)
        blob, learnt = trainer.save(), trainer.state()
    there = tl.state.convert(blob, wide, short)
    assert not there.notes
    with short.build("host") as trainer:
        with pytest.raises(StateError):
            trainer.load(blob)
        trainer.load(there.blob)
        for name, value in trainer.state().items():
            np.testing.assert_array_equal(value, learnt[name], err_msg=name)
    assert tl.state.convert(there.blob, short, wide).blob == blob
    shown = {leaf.name: leaf for leaf in tl.state.describe(there.blob, short).leaves}
    for name in biases(short):
        assert shown[name].most == learnt[name].max() and shown[name].changed
    arrays = dict(wide.layout.unpack(blob).arrays)
    arrays[biases(wide)[0]] = arrays[biases(wide)[0]] + 10**6
    beyond = tl.state.convert(wide.layout.pack(Saved(arrays)), wide, short)
    assert any("beyond its range and were clipped" in note for note in beyond.notes)


def test_the_record_holds_what_the_state_differs_from(tmp_path: Path) -> None:
    made, _ = compiled(16)
    text = print_record(record_of(made))
    path = tmp_path / "trainer.json"
    path.write_text(text)
    found = read_record(path)
    assert print_record(found) == text and found.layout.fingerprint == made.layout.fingerprint
    told = json.loads(text)
    [leaf] = [one for one in told["leaves"] if one["name"] == biases(made)[0]]
    for base in ([1, *leaf["storage"]["delta"]["base"][1:]], leaf["storage"]["delta"]["base"][1:]):
        leaf["storage"]["delta"]["base"] = base
        path.write_text(json.dumps(told))
        with pytest.raises(FileError):
            read_record(path)
