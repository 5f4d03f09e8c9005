"""Cycles are the weights of counted blocks; where llvm-mca is installed, its model gives them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from counting.test_profile import SHAPE, program
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.interface import interface_of
from trainlet.pictures.profile import draw_profile
from trainlet.planning.cpu import CPUS
from trainlet.run.counter import Counter, Weights
from trainlet.run.cycles import TOOLS, check_cycles
from trainlet.run.trainer import Trainer
from trainlet.run.unicorn_device import UnicornDevice

LLVM = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason="llvm-mca is not installed (Debian: llvm)"
)


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


@LLVM
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
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


def test_what_is_missing_is_said(monkeypatch):
    for core in ("cortex-m55", "cortex-m0plus"):
        with pytest.raises(tl.errors.TargetError, match=f"no estimate of cycles for {core}"):
            check_cycles(CPUS[core])
    monkeypatch.setenv("PATH", str(Path("nowhere")))
    with pytest.raises(tl.errors.ToolchainError, match="apt-get install llvm"):
        check_cycles(CPUS["cortex-m7"])
