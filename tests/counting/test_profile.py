"""Instructions by node: they add up, they repeat, and no device or compiler tells another story."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from emulator.project import HAS_GCC, HAS_QEMU
from trainlet.ops.op import OPS
from trainlet.pictures.profile import draw_profile
from zoo import NETWORKS

COMPILERS = pytest.mark.parametrize(
    "compiler",
    ["zig", pytest.param("gcc", marks=pytest.mark.skipif(not HAS_GCC, reason="no Arm gcc"))],
)
SHAPE = (1, 3, 8, 8)
QEMU = pytest.mark.skipif(not HAS_QEMU, reason="qemu-system-arm is not installed")


@cache
def program(core: str = "cortex-m7", compiler: str = "zig") -> tl.CompiledProgram:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)
    )
    target = replace(tl.Target.preset(core), compiler=compiler)
    return tl.compile(model.eval(), torch.zeros(SHAPE), tl.schemes.full(model), target=target)


@cache
def profiled(core: str = "cortex-m7", compiler: str = "zig", device: str | None = None):
    return program(core, compiler).profile(device)


@COMPILERS
def test_the_rows_add_up_to_what_the_program_takes_by_itself(compiler):
    found = profiled(compiler=compiler)
    rows = sum(row.instructions for row in found.rows)
    assert rows == found.instructions_step + found.disturbance
    assert abs(found.disturbance) < 0.01 * found.instructions_step
    with program(compiler=compiler).build("unicorn") as trainer:
        draw = np.random.default_rng(0)
        x = draw.uniform(-1, 1, SHAPE)
        trainer.predict(x)
        assert trainer.instructions == found.instructions_predict
        trainer.step(x, [0])
        assert trainer.instructions == found.instructions_step


def test_the_forward_calls_take_what_a_prediction_takes():
    found = profiled()
    forward, around = found.of_phase("forward"), found.of_phase("around")
    looked = np.prod(SHAPE)  # each input is looked at; no more is left around the calls
    assert 4 * looked < around.instructions < 8 * looked
    alone = forward.instructions + around.instructions
    assert alone == pytest.approx(found.instructions_predict, rel=0.05)


def test_a_mark_costs_the_calls_nothing():
    """The shortest call takes about as many instructions as a mark does, which are not counted."""
    assert 0 < min(row.instructions for row in profiled().rows) < 30


def test_every_call_has_its_row_in_the_order_of_the_plan():
    made, found = program(), profiled()
    called = [n for n in made.plan.order if not OPS[n.op].alias]
    assert [row.op for row in found.rows[:-1]] == [n.op for n in called]
    assert sum(row.macs for row in found.rows) == made.macs_forward + made.macs_backward
    assert found.of_phase("forward").macs == made.macs_forward
    assert all(row.instructions >= row.macs for row in found.rows if row.op == "conv2d")
    assert [row.instructions for row in found.by_op()] == sorted(
        (row.instructions for row in found.by_op()), reverse=True
    )


def test_counts_repeat_to_the_instruction():
    assert program().profile("unicorn").record() == profiled().record()


@QEMU
@COMPILERS
def test_qemu_counts_the_same_for_each_node(compiler):
    unicorn, qemu = profiled(compiler=compiler), profiled(compiler=compiler, device="qemu")
    assert unicorn.rows == qemu.rows
    assert replace(unicorn, device="qemu") == qemu


@QEMU
def test_a_core_that_only_qemu_knows():
    found = profiled("cortex-m55")
    assert found.device == "qemu" and found.instructions_step > 0
    assert abs(found.disturbance) < 0.01 * found.instructions_step


def test_the_smallest_core():
    found = profiled("cortex-m0plus")
    assert sum(r.instructions for r in found.rows) == found.instructions_step + found.disturbance
    assert found.instructions_step > 2 * profiled().instructions_step  # no FPU


def test_summed_gradients_are_profiled_with_their_update():
    case = NETWORKS["mlp"](1)
    scheme = tl.schemes.last(case.model)
    made = tl.compile(case.model, case.x, scheme, target="cortex-m7", accumulate=2)
    found = made.profile()
    assert {row.op for row in found.rows if row.phase == "update"} >= {"accumulate", "sgd", "clear"}
    assert 0 < found.rows[-1].instructions < 0.05 * found.instructions_step
    assert sum(row.instructions for row in found.rows) == (
        found.instructions_step + found.disturbance
    )


def test_a_longer_node_costs_more():
    """The counts belong to the nodes: the larger of two layers of one op takes more."""
    first, second = (row for row in profiled().rows if row.op == "conv2d")
    assert (first.shapes, second.shapes) == (
        "1x8x8x3 4x3x3x3 -> 1x6x6x4",
        "1x6x6x4 6x3x3x4 -> 1x4x4x6",
    )
    assert first.macs / second.macs == 1.125
    assert 1 < first.instructions / second.instructions < 1.3


def test_marks_do_not_reach_the_users_project(tmp_path):
    folder = program().write(tmp_path / "out")
    assert "mark" not in (folder / "trainer.c").read_text().lower()


def test_pictures(tmp_path):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        draw_profile(profiled(), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    assert (
        "conv2d_dw" in (tmp_path / "a.svg").read_text()
        or "<path" in (tmp_path / "a.svg").read_text()
    )


def test_the_table_names_ops_and_the_step():
    shown = str(profiled())
    assert f"{profiled().instructions_step:,}" in shown and "linear_dw" in shown


@pytest.mark.parametrize(
    ("core", "device", "why"),
    [
        ("host", None, "not a microcontroller"),
        ("cortex-m7", "host", "does not count instructions; allowed: unicorn, qemu"),
        ("cortex-m55", "unicorn", "does not emulate cortex-m55"),
    ],
)
def test_what_cannot_be_counted(core, device, why):
    case = NETWORKS["mlp"](1)
    made = tl.compile(case.model, case.x, tl.schemes.last(case.model), target=core)
    with pytest.raises(tl.TrainletError, match=why):
        made.profile(device)
