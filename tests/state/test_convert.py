"""A saved state shown, checked, and carried over to another program."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import trainlet as tl
from trainlet.backends.record import print_record, read_record, record_of
from trainlet.cli.main import app
from trainlet.compiled import CompiledProgram
from trainlet.errors import FileError, StateError, TrainletError
from trainlet.run.simulated import OracleDevice

SHOWN = [np.random.default_rng(0).normal(size=(64, 1, 6, 6)).astype(np.float32)]
INT8 = {"precision": tl.Int8(gradient="int16", extra_bits=8), "calibration": SHOWN}
ADAM = {"optimizer": tl.Adam(0.01)}


class Small(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.point = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.point(torch.relu(self.conv(x))))
        return self.fc(x.mean((2, 3)))


def compiled(scheme: object = "full", classes: int = 3, seed: int = 0, **options: object):
    torch.manual_seed(seed)
    options.setdefault("target", "host")
    return tl.compile(Small(classes).eval(), torch.zeros(1, 1, 6, 6), scheme, **options)  # type: ignore[arg-type]


@cache
def program(kind: str) -> CompiledProgram:
    return compiled(**{"float32": {}, "int8": INT8, "adam": ADAM, "sums": {"accumulate": 3}}[kind])


def learnt(made: CompiledProgram, steps: int = 4) -> tl.Trainer:
    trainer = tl.Trainer(made, OracleDevice(made))
    for k in range(steps):
        trainer.step(SHOWN[0][k], [k % 3], 0.05)
    return trainer


def taken(made: CompiledProgram, blob: bytes) -> tl.Trainer:
    """The blob on the real C, which has the last word."""
    with made.build("host") as real:
        real.load(blob)
        assert real.save() == blob
    trainer = tl.Trainer(made, OracleDevice(made))
    trainer.load(blob)
    return trainer


def test_what_is_in_it() -> None:
    trainer = learnt(program("sums"))
    shown = tl.state.describe(trainer.save(), program("sums"))
    assert (shown.pending, shown.accumulate) == (1, 3)
    state = trainer.state()
    for leaf in (n for n in shown.leaves if n.kind == "param"):
        assert leaf.shape == state[leaf.name].shape
        assert (leaf.least, leaf.most) == (state[leaf.name].min(), state[leaf.name].max())
    assert {n.name for n in shown.leaves} >= {"fc.bias", "fc.bias.gradient"}
    assert any(n.changed for n in shown.leaves)


def test_a_state_of_its_own_program_is_as_it_was() -> None:
    for kind in ("float32", "int8", "adam", "sums"):
        blob = learnt(program(kind)).save()
        made = tl.state.convert(blob, program(kind), program(kind))
        assert made.blob == blob and not made.notes


def test_int8_and_float32_through_real_values() -> None:
    """8 extra bits of an int8 weight: half of 1/256 of its scale is lost, but for what has grown
    beyond its range, which is said."""
    trainer = learnt(program("float32"))
    there = tl.state.convert(trainer.save(), program("float32"), program("int8"))
    integers = taken(program("int8"), there.blob).state()
    off = 0
    for name, value in trainer.state().items():
        unit = np.abs(value).max() / 127 / 256
        off += int((np.abs(integers[name] - value) > unit).sum())
        np.testing.assert_allclose(integers[name], value, atol=1e-3, err_msg=name)
    clipped = [int(note.split()[0]) for note in there.notes if "clipped" in note]
    assert 0 < sum(clipped) <= off < 10
    back = tl.state.convert(there.blob, program("int8"), program("float32"))
    for name, value in taken(program("float32"), back.blob).state().items():
        np.testing.assert_array_equal(value, integers[name])


def test_the_optimisers_state_goes_over_where_it_is_the_same() -> None:
    blob = learnt(program("adam")).save()
    other = compiled(seed=5, **ADAM)  # other frozen weights would be as well
    assert tl.state.convert(blob, program("adam"), other).blob == blob
    plain = tl.state.convert(blob, program("adam"), program("float32"))
    assert any("'adam.power1' has no place" in note for note in plain.notes)
    again = tl.state.convert(plain.blob, program("float32"), program("adam"))
    assert any("'adam.power1' of the optimiser begins anew" in note for note in again.notes)
    arrays = program("adam").layout.unpack(again.blob).arrays
    assert arrays["adam.power1"] == 1 and not arrays["fc.bias.adam_v"].any()


def test_pending_steps_stay_where_their_mean_is_the_same() -> None:
    blob = learnt(program("sums")).save()
    other = compiled(accumulate=2)
    made = tl.state.convert(blob, program("sums"), other)
    assert any("1 pending steps are dropped" in note for note in made.notes)
    assert other.layout.unpack(made.blob).pending == 0
    assert not other.layout.unpack(made.blob).arrays["fc.bias.gradient"].any()


def test_another_head_keeps_the_rest() -> None:
    trainer, other = learnt(program("float32")), compiled(classes=5)
    made = tl.state.convert(trainer.save(), program("float32"), other)
    assert sum("has shape" in note for note in made.notes) == 2
    state = taken(other, made.blob).state()
    np.testing.assert_array_equal(state["conv.weight"], trainer.state()["conv.weight"])
    np.testing.assert_array_equal(
        state["fc.bias"], tl.Trainer(other, OracleDevice(other)).state()["fc.bias"]
    )


@pytest.mark.parametrize("options", [{}, INT8], ids=["float32", "int8"])
def test_a_share_of_a_weight(options: dict) -> None:
    """More or less of it learns in the new program; what stays frozen there stays as it is."""
    half = compiled({"point.weight": 0.5, "fc.bias": 1.0}, **options)
    whole = compiled({"point.weight": 1.0, "fc.bias": 1.0}, **options)
    trainer = learnt(half)
    more = tl.state.convert(trainer.save(), half, whole)
    assert any("did not learn" in note for note in more.notes)
    got, was = taken(whole, more.blob).state()["point.weight"], trainer.state()["point.weight"]
    np.testing.assert_allclose(got, was, atol=1e-3)
    less = tl.state.convert(more.blob, whole, half)
    assert any("no longer learn" in note for note in less.notes)
    assert taken(half, less.blob).state()["point.weight"].shape == was.shape
    np.testing.assert_allclose(taken(half, less.blob).state()["point.weight"], was, atol=1e-3)


def test_nothing_fits() -> None:
    one, other = compiled({"fc.bias": 1.0}), compiled({"conv.bias": 1.0})
    with pytest.raises(StateError, match="no parameter .* fits"):
        tl.state.convert(learnt(one).save(), one, other)
    with pytest.raises(StateError, match="another layout|has .* bytes"):
        tl.state.convert(learnt(one).save(), other, one)
    for place in (5, None):
        with pytest.raises(TrainletError, match="has no trained state"):
            tl.state.describe(learnt(one).save(), place)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["float32", "int8", "adam", "sums"])
def test_the_record_says_all(kind: str, tmp_path: Path) -> None:
    folder = program(kind).write(tmp_path / "out")
    found, own = read_record(folder), record_of(program(kind))
    assert found.layout.fingerprint == own.layout.fingerprint
    assert print_record(found) == print_record(own)
    blob = learnt(program(kind)).save()
    assert tl.state.convert(blob, folder, folder / "trainer.json").blob == blob


def test_a_record_that_was_changed(tmp_path: Path) -> None:
    path = program("float32").write(tmp_path / "out") / "trainer.json"
    good = path.read_text()
    told = json.loads(good)
    for key, value in {
        "fingerprint": 1, "accumulate": 0, "format": 9, "leaves": [], "start": "AAAA",
        "about": None,
    }.items():  # fmt: skip
        path.write_text(json.dumps({**told, key: value}))
        if key != "about":
            with pytest.raises(FileError):
                read_record(path)
    for text in ("", "[]", "{", "null", good[: len(good) // 2], '{"format": 1}', "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(FileError):
            read_record(path)
    for k, leaf in enumerate(told["leaves"]):
        for field, value in {"shape": [-1], "dtype": "float64"}.items():
            worse = json.loads(good)
            worse["leaves"][k] = {**leaf, "type": {**leaf["type"], field: value}}
            path.write_text(json.dumps(worse))
            with pytest.raises(FileError):
                read_record(path)
    with pytest.raises(FileError):
        read_record(tmp_path / "absent")


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["state", *map(str, words)])
    return done.exit_code, done.output


def test_on_the_command_line(tmp_path: Path) -> None:
    old, new = program("float32").write(tmp_path / "old"), program("int8").write(tmp_path / "new")
    blob, out = tmp_path / "state.bin", tmp_path / "converted.bin"
    blob.write_bytes(learnt(program("float32")).save())
    code, text = run("show", blob)
    assert code == 0 and f"{program('float32').layout.fingerprint:08x}" in text
    code, text = run("show", blob, old)
    assert code == 0 and "fc.bias" in text
    assert run("check", blob, old)[0] == 0
    assert run("check", blob, new)[0] == 1
    code, text = run("convert", blob, "--from", old, "--to", new, "-o", out)
    assert code == 0, text
    assert run("check", out, new)[0] == 0
    blob.write_bytes(blob.read_bytes()[:-1])
    code, text = run("show", blob)
    assert code == 1 and "Traceback" not in text
    assert run("convert", blob, "--from", old, "--to", new, "-o", out)[0] == 1
