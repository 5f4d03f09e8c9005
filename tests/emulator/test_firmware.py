"""What a firmware says of itself, and what does not become one."""

import re
import subprocess
import time
from dataclasses import replace

import pytest

from emulator.project import INTERFACE, LINEAR, run, spoilt
from trainlet.backends.firmware import SOURCES, build_firmware
from trainlet.backends.image import read_image
from trainlet.backends.stack import CallGraph
from trainlet.backends.toolchain import BARE, EXACT, arm_toolchain, compile_shared
from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.target import PRESETS, Target
from trainlet.run.unicorn_device import UnicornDevice

COMPILERS = pytest.mark.parametrize("compiler", ["zig", "gcc"])
CORES = pytest.mark.parametrize(
    "core", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m23", "cortex-m33"]
)
M4 = Target.preset("cortex-m4")


@COMPILERS
@CORES
def test_figures(core, compiler, firmware):
    made = firmware(core, compiler)
    state = 3 * 4 * 4 + 3 * 4
    slots = 4 * 4 + 4
    assert state + slots <= made.static_ram_bytes <= state + slots + 24
    assert state < made.flash_bytes < 8192
    assert made.flash_bytes < made.image_flash_bytes < 12 * 1024
    assert made.image_ram_bytes >= made.static_ram_bytes + made.target.stack


@COMPILERS
def test_constants_are_not_read_as_code(compiler, firmware):
    image = read_image(firmware("cortex-m7", compiler).elf)
    weights = image.symbols["pretrained"]
    assert image.code
    assert not any(start <= weights < start + len(code) for start, code in image.code)


@COMPILERS
@CORES
def test_the_stack_bound_holds_and_is_near(core, compiler, firmware):
    made = firmware(core, compiler)
    with UnicornDevice(made) as device:
        used = run(device).stack
    assert used <= made.stack_bytes <= 1.5 * used + 32


@COMPILERS
@CORES
def test_the_bound_sees_a_frame_beyond_the_reach_of_one_instruction(core, compiler, tmp_path):
    target = replace(Target.preset(core), stack=20480)
    project = spoilt(tmp_path / "project", "WIDE")
    made = build_firmware(project, INTERFACE, target, tmp_path, compiler)
    with UnicornDevice(made) as device:
        used = run(device).stack
    assert 16384 < used <= made.stack_bytes <= used + 256


@COMPILERS
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7"])
def test_frames_are_those_that_the_compiler_reports(core, compiler, firmware, tmp_path):
    made = firmware(core, compiler)
    tools = arm_toolchain(compiler)
    told = subprocess.run(
        [*tools.command, *tools.flags(made.cpu), *EXACT, *BARE, f"-I{SOURCES / 'include'}",
         "-fstack-usage", "-Wframe-larger-than=0", f"-DUNCACHED={time.time_ns()}",
         "-c", str(LINEAR / "trainer.c"), "-o", str(tmp_path / "trainer.o")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if compiler == "gcc":
        figures = re.findall(r":(\w+)\t(\d+)", (tmp_path / "trainer.su").read_text())
    else:
        figures = [(b, a) for a, b in re.findall(r"size \((\d+)\).* in '(\w+)'", told.stderr)]
    frames = CallGraph(read_image(made.elf)).functions
    checked = {name: (int(size), frames[name].frame) for name, size in figures if name in frames}
    assert len(checked) >= 4
    assert all(size <= frame <= size + 32 for size, frame in checked.values()), checked


@COMPILERS
def test_too_large_for_ram(compiler, tmp_path):
    project = spoilt(tmp_path / "project", "LARGE")
    with pytest.raises(TargetError, match=r"exceeds RAM by (4\d{3}) bytes \(of 262144\)"):
        build_firmware(project, INTERFACE, M4, tmp_path, compiler)


@COMPILERS
def test_too_large_for_flash(compiler, tmp_path):
    with pytest.raises(TargetError, match=r"exceeds FLASH by \d+ bytes \(of 1024\)"):
        build_firmware(LINEAR, INTERFACE, replace(M4, flash=1024), tmp_path, compiler)


@COMPILERS
def test_recursion_has_no_bound(compiler, tmp_path):
    project = spoilt(tmp_path / "project", "RECURSIVE")
    with pytest.raises(TargetError, match="recursion.*again"):
        build_firmware(project, INTERFACE, M4, tmp_path, compiler)


def test_a_reserve_too_small_for_the_stack(tmp_path):
    with pytest.raises(TargetError, match="needs .* bytes of stack, .* reserves 64"):
        build_firmware(LINEAR, INTERFACE, replace(M4, stack=64), tmp_path, "zig")


def test_the_host_takes_no_firmware(tmp_path):
    with pytest.raises(TargetError, match="not a microcontroller"):
        build_firmware(LINEAR, INTERFACE, Target.preset("host"), tmp_path)


def test_a_compile_error_is_shown(tmp_path):
    project = spoilt(tmp_path / "project", "OUTSIDE")  # BAD_ADDRESS is missing
    with pytest.raises(ToolchainError, match="BAD_ADDRESS"):
        build_firmware(project, INTERFACE, M4, tmp_path, "zig")
    with pytest.raises(ToolchainError, match="BAD_ADDRESS"):
        compile_shared([project / "trainer.c"], tmp_path / "trainer.so")


def test_presets():
    assert {"host", "cortex-m0plus", "cortex-m7", "cortex-m55"} < set(PRESETS)
    assert Target.preset("cortex-m7").ram == 262144
    known = "unknown target 'cortex-m5'; allowed: host, wasm, onnx, cpu, cuda, cpu-bfloat16"
    with pytest.raises(TargetError, match=known):
        Target.preset("cortex-m5")
    with pytest.raises(TargetError, match="multiple of 1024"):
        replace(M4, ram=1000)


def test_the_compiler_can_be_forced(monkeypatch):
    monkeypatch.setenv("TRAINLET_CC", "zig")
    assert arm_toolchain().kind == "zig"
    monkeypatch.setenv("TRAINLET_CC", "rustc")
    with pytest.raises(ToolchainError, match="rustc"):
        arm_toolchain()
    monkeypatch.setenv("TRAINLET_CC", "gcc")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError, match="not on the PATH"):
        arm_toolchain()
