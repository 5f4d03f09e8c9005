"""Cycles are the weights of counted blocks; where llvm-mca is installed, its model gives them."""

from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from counting.test_profile import QEMU, SHAPE, program
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.interface import interface_of
from trainlet.pictures.profile import draw_profile
from trainlet.planning.cpu import CPUS
from trainlet.run.counter import Counter, Weights
from trainlet.run.cycles import UNIT, check_cycles
from trainlet.run.llvm import Instruction
from trainlet.run.qemu_blocks import read_log
from trainlet.run.trainer import Trainer
from trainlet.run.unicorn_device import UnicornDevice


def needs_llvm(core: str) -> pytest.MarkDecorator:
    absent = ""
    try:
        check_cycles(CPUS[core])
    except tl.errors.ToolchainError as error:
        absent = str(error)
    return pytest.mark.skipif(bool(absent), reason=absent)


CORES = [
    pytest.param("cortex-m4", marks=needs_llvm("cortex-m4")),
    pytest.param("cortex-m7", marks=needs_llvm("cortex-m7")),
    pytest.param("cortex-m55", marks=[needs_llvm("cortex-m55"), QEMU]),
]


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    made, folder = program(), tmp_path_factory.mktemp("cycles")
    project = made.write(folder / "project")
    return build_firmware(project, interface_of(made), made.target, folder / "trainer.elf")


def counted(firmware: Firmware, weights: Weights | None = None) -> tuple[int, list]:
    with Trainer(program(), UnicornDevice(firmware, weights=weights)) as trainer:
        trainer.predict(np.zeros(SHAPE))
        return trainer.instructions or 0, trainer.device.link.blocks


def test_weights_take_the_place_of_instructions(firmware):
    plain, blocks = counted(firmware)
    assert counted(firmware, Weights({}, 16, 0))[0] == 16 * plain
    assert counted(firmware, Weights({block: 0 for block in blocks}, 16, 0))[0] == 0
    entered = counted(firmware, Weights({block: 1 for block in blocks}, 16, 0))[0]
    jumps = counted(firmware, Weights({block: 0 for block in blocks}, 16, 1))[0]
    assert 0 < jumps < entered < plain


def test_the_slower_hook_counts_the_same(firmware, monkeypatch):
    blocks = counted(firmware)[1]
    weights = Weights({block: 1 + k % 7 for k, block in enumerate(blocks)}, 16, 3)
    found = counted(firmware, weights)[0]
    monkeypatch.setattr(Counter, "_hook_compiled", lambda self: False)
    assert counted(firmware, weights)[0] == found


@pytest.mark.parametrize("core", CORES)
def test_every_call_has_its_cycles(core, tmp_path):
    """The M7 starts up to two instructions a cycle, the others one."""
    found = program(core).profile(cycles=True)
    least = 0.5 if core == "cortex-m7" else 0.9
    assert found.cycles_step == sum(row.cycles for row in found.rows)
    assert least < found.cycles_step / found.instructions_step < 3
    assert all(row.cycles for row in found.rows if row.macs)
    assert found.record()["cycles_step"] == found.cycles_step
    assert f"{found.cycles_step:,}" in str(found) and "estimate" in str(found)
    draw_profile(found, tmp_path / "p.svg")
    assert "an estimate" in (tmp_path / "p.svg").read_text()


@pytest.mark.parametrize("core", CORES[2:])
def test_each_block_counts_for_the_call_that_ran_it(core, monkeypatch):
    """With the number of its instructions as its cycles, a call takes its instructions."""

    def instructions(code, blocks, cpu):
        known = [one.address for one in code]
        within = {b: bisect_left(known, sum(b)) - bisect_left(known, b[0]) for b in blocks}
        return Weights({block: UNIT * count for block, count in within.items()}, UNIT, 0)

    monkeypatch.setattr("trainlet.run.profile.cycles_of", instructions)
    found = program(core).profile("qemu", cycles=True)
    *calls, around = ((row.cycles, row.instructions) for row in found.rows)
    assert all(cycles == instructions for cycles, instructions in calls)
    assert abs(around[0] - around[1]) < 4  # the harness reads its counter between them


LOG = """
IN: step
0x00000000:  2001       movs     r0, #1
0x00000002:  f000 e001  .byte

Trace 0: 0x7f01 [0080044a/00000000/00000150/ff000200] step
IN: step
0x00000006:  ed91 1f00  .byte
0x0000000a:  f01f  .byte
0x0000000c:  c003  .byte
Trace 0: 0x7f02 [0080044a/00000006/00000150/ff000200] step
Stopped execution of TB chain before 0x7f02 [00000006] step
Trace 0: 0x7f02 [0080044a/00000006/00000150/ff000200] step
Trace 0: 0x7f02 [0080044a/00000006/00000150/ff000200] step
IN: step
0x0000000e:  4770       bx       lr
Trace 0: 0x7f03 [0080044a/0000000e/00000150/ff000200] step
Trace 0: 0x7f01 [0080044a/00000000/00000150/ff000200] step
"""


def test_the_log_tells_what_ran(tmp_path):
    names = {0: "movs", 2: "dlstp.8", 6: "vldrb.u8", 10: "letp", 14: "bx", 16: "nop"}
    code = [Instruction(address, name, "") for address, name in names.items()]
    (tmp_path / "log").write_text(LOG)
    ran = read_log(tmp_path / "log", code)
    assert ran.starts.tolist() == [0, 6, 6, 14, 0]
    assert ran.ends.tolist() == [6, 14, 14, 16, 6]
    weights = Weights({block: 10 for block in ran.blocks()}, 1, 3)
    assert ran.weigh(weights).tolist() == [10, 10, 10, 13, 10]


def test_what_is_missing_is_said(monkeypatch):
    with pytest.raises(tl.errors.TargetError, match="no estimate of cycles for cortex-m0plus"):
        check_cycles(CPUS["cortex-m0plus"])
    monkeypatch.setenv("PATH", str(Path("nowhere")))
    for core in ("cortex-m7", "cortex-m55"):
        with pytest.raises(tl.errors.ToolchainError, match="apt-get install llvm-16"):
            check_cycles(CPUS[core])
