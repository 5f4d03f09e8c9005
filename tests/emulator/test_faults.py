"""What breaks the rules of the device ends as a DeviceFault that says where."""

from dataclasses import replace

import pytest

from emulator.project import HAS_CC, INTERFACE, SAMPLE, spoilt
from trainlet.backends.firmware import build_firmware
from trainlet.errors import DeviceFault
from trainlet.planning.target import Target
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.sanitized import SanitizedDevice
from trainlet.run.unicorn_device import UnicornDevice

EMULATORS = pytest.mark.parametrize(
    "emulator", [UnicornDevice, pytest.param(QemuDevice, marks=pytest.mark.qemu)]
)
SMALL = 80 * 1024  # no power of two: QEMU's protection needs two regions


def device(emulator, folder, variant, core="cortex-m4", ram=SMALL, **defines):
    target = replace(Target.preset(core), ram=ram)
    project = spoilt(folder / "project", variant, **defines)
    firmware = build_firmware(project, INTERFACE, target, folder / "build", "zig")
    return emulator(firmware, timeout=2)


@EMULATORS
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "cortex-m33"])
def test_a_write_just_past_ram(emulator, core, tmp_path):
    end = Target.preset(core).cpu.ram + SMALL
    with device(emulator, tmp_path, "OUTSIDE", core, BAD_ADDRESS=end) as board:
        board.predict(SAMPLE)
        for _ in range(2):  # once dead, it stays dead
            with pytest.raises(DeviceFault, match=f"{end:#010x}"):
                board.step(SAMPLE, 1, 0.1)


@EMULATORS
def test_the_last_word_of_ram_is_fine(emulator, tmp_path):
    last = Target.preset("cortex-m4").cpu.ram + SMALL - 4
    with device(emulator, tmp_path, "OUTSIDE", BAD_ADDRESS=last) as board:
        board.step(SAMPLE, 1, 0.1)


@EMULATORS
def test_a_write_to_flash(emulator, tmp_path):
    with (
        device(emulator, tmp_path, "FLASH") as board,
        pytest.raises(DeviceFault, match="write to Flash"),
    ):
        board.step(SAMPLE, 1, 0.1)


@EMULATORS
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m33"])
def test_a_stack_overflow(emulator, core, tmp_path):
    with (
        device(emulator, tmp_path, "DEEP", core) as board,
        pytest.raises(DeviceFault, match="overflowed: raise Target.stack"),
    ):
        board.step(SAMPLE, 1, 0.1)


@EMULATORS
def test_an_endless_loop(emulator, tmp_path):
    board = device(emulator, tmp_path, "ENDLESS")
    with pytest.raises(DeviceFault, match="no answer within 2 s"):
        board.step(SAMPLE, 1, 0.1)
    if emulator is QemuDevice:
        assert board._link._process.returncode is not None, "QEMU is still there"


@pytest.mark.skipif(not HAS_CC, reason="the sanitizers need gcc or clang")
def test_the_sanitizers_catch_a_bad_write(tmp_path):
    project = spoilt(tmp_path, "OUTSIDE", BAD_ADDRESS=16)
    with SanitizedDevice(project, INTERFACE) as board:
        board.predict(SAMPLE)
        with pytest.raises(DeviceFault, match="AddressSanitizer"):
            board.step(SAMPLE, 1, 0.1)
