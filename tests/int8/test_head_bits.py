"""A float32 head in 16 bits of fixed point: its bytes, its range, and the same bits everywhere."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import trainlet as tl
from int8.networks import program, quantised, roomy, scheme_of
from int8.test_devices import lesson, same_steps
from trainlet.compiled import CompiledProgram
from trainlet.errors import SchemeError, TrainletError
from trainlet.ir.types import LARGEST
from trainlet.passes.head_bits import unit_of
from trainlet.planning.blob import Saved
from trainlet.planning.limits import needed
from trainlet.run.simulated import OracleDevice

HEAD = ("fc.weight", "fc.bias")
MOST = LARGEST["int16"]


@cache
def compiled(bits: int, target: str | tl.Target = "host") -> tuple[CompiledProgram, np.ndarray]:
    return program("ds_cnn", target, tl.Int8(head_bits=bits))


def units(made: CompiledProgram) -> dict[str, float]:
    return {n.name: n.type.quant.scale[0] for n in made.params if n.name in HEAD and n.type.quant}


def head(made: CompiledProgram, blob: bytes) -> list[np.ndarray]:
    """The integers of the head in a saved state."""
    arrays = made.layout.unpack(blob).arrays
    return [arrays[name] for name in HEAD]


def test_half_the_ram_and_the_flash() -> None:
    (wide, x), (short, _) = compiled(32), compiled(16)
    elements = sum(n.type.size for n in wide.params if n.name in HEAD)
    assert wide.state_bytes - short.state_bytes == 2 * elements
    assert wide.arena_bytes == short.arena_bytes
    assert needed(wide)[1] - needed(short)[1] > elements  # the scales of the update take some
    [shown] = [c.nbytes for c in short.report.costs if c.name == "int16 (the head)"]
    assert shown == 2 * elements
    with wide.build("host") as one, short.build("host") as other:
        before, after = one.state(), other.state()
        for name in HEAD:
            unit = units(short)[name]
            np.testing.assert_allclose(after[name], before[name], rtol=0, atol=unit / 2)
        losses = lesson(one, x)[0], lesson(other, x)[0]
    np.testing.assert_allclose(*losses, rtol=0.05)


@pytest.mark.parametrize(
    ("core", "device"),
    [
        ("cortex-m7", "unicorn"),
        pytest.param("cortex-m55", "qemu", marks=pytest.mark.qemu),
        ("host", "sanitized"),
    ],
)
def test_a_saturated_head_is_the_same_everywhere(core: str, device: str) -> None:
    made, x = compiled(16, "host" if core == "host" else roomy(core))
    with made.build("host") as host, made.build(device) as other:
        blob = host.save()
        ends = {name: np.where(p % 2, MOST, -MOST).astype(p.dtype)
                for name, p in zip(HEAD, head(made, blob), strict=True)}  # fmt: skip
        blob = made.layout.pack(Saved({**made.layout.unpack(blob).arrays, **ends}))
        after = same_steps(made, x, blob, host, other)
    pairs = list(zip(ends.values(), head(made, after), strict=True))
    assert any((a != b).any() for a, b in pairs)
    assert all((np.sign(a) == np.sign(b)).all() for a, b in pairs)  # nothing has wrapped


def test_a_value_beyond_the_range_is_clipped() -> None:
    made, _ = compiled(16)
    trainer = tl.Trainer(made, OracleDevice(made))
    trainer.load_state({"fc.weight": trainer.state()["fc.weight"] + 1e6})
    assert (head(made, trainer.save())[0] == MOST).all()


def test_states_go_from_one_to_the_other() -> None:
    (wide, x), (short, _) = compiled(32), compiled(16)
    with wide.build("host") as trainer:
        lesson(trainer, x, 3)
        blob, learnt = trainer.save(), trainer.state()
    there = tl.state.convert(blob, wide, short)
    assert not there.notes
    again = tl.state.convert(tl.state.convert(there.blob, short, wide).blob, wide, short)
    assert again.blob == there.blob
    with short.build("host") as trainer:
        trainer.load(there.blob)
        for name, value in trainer.state().items():
            np.testing.assert_allclose(value, learnt[name], rtol=0, atol=1e-3)


def test_the_range_holds_four_times_the_largest_and_what_a_logit_needs() -> None:
    assert 2**15 * unit_of(np.zeros(3), 1.0) == 8.0
    assert 2**15 * unit_of(np.zeros(3), 100.0) == 0.125
    assert 2**15 * unit_of(np.array([-9.0, 1.0]), 1.0) == 64.0


def test_updates_far_below_the_unit_are_not_lost() -> None:
    made, x = compiled(16)
    with made.build("host") as trainer:
        before = trainer.state()
        for _ in range(40):
            trainer.step(x, [3], 2e-6)
        moved = (trainer.state()["fc.weight"] - before["fc.weight"]) / units(made)["fc.weight"]
    assert 0 < (moved != 0).mean() < 0.5
    assert moved[3].sum() > 0 > np.delete(moved, 3, 0).sum()


def test_what_it_cannot_do_is_refused() -> None:
    for other in ({"float_head": False}, {"qas": False}):
        with pytest.raises(TrainletError, match="head_bits=16"):
            tl.Int8(head_bits=16, **other)
    graph, _ = quantised("ds_cnn")
    part = {**scheme_of(graph).ratios, "fc.weight": 0.5}
    with pytest.raises(SchemeError, match="fc.weight"):
        tl.compile(graph, None, tl.UpdateScheme(part), precision=tl.Int8(head_bits=16))
