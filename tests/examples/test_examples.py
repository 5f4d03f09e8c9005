"""The firmwares under examples/: their packages are written, and all of their files compile."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from trainlet.backends.firmware import SOURCES
from trainlet.backends.toolchain import ARM_GCC, CLANG, ZIG, has_zig
from trainlet.planning.cpu import CPUS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
STUBS = ROOT / "tests" / "export" / "stubs"
CAREFUL = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
M4 = [*CPUS["cortex-m4"].gcc, "-mthumb"]
M7 = [*CPUS["cortex-m7"].gcc, "-mthumb"]
needs_gcc = pytest.mark.skipif(not shutil.which(ARM_GCC), reason=f"{ARM_GCC} is not installed")
needs_zig = pytest.mark.skipif(not has_zig(), reason="zig is not installed")


def package(name: str, folder: Path) -> Path:
    """What the example's network.py writes, beside the project."""
    script = runpy.run_path(str(EXAMPLES / name / "network.py"))
    script["main"](folder)
    (found,) = folder.glob("trainlet-*")
    return found


def compiled(work: Path, *command: str | Path) -> None:
    done = subprocess.run([*command], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def sizes(file: Path) -> dict[str, int]:
    """Bytes of each section of an object file."""
    said = subprocess.run(["size", "-A", file], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in said.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}


@pytest.mark.slow
@needs_gcc
def test_the_microphone_s_firmware_compiles(tmp_path: Path) -> None:
    library = package("microphone", tmp_path)
    flags = [*M4, "-Os", "-I", library / "src", "-c"]
    compiled(tmp_path, ARM_GCC, *flags, *CAREFUL, *sorted((library / "src").glob("*.c")))
    plus = shutil.which("arm-none-eabi-g++")
    assert plus
    loose = [*CAREFUL, "-Wno-psabi", "-std=gnu++17", "-fno-exceptions", f"-I{STUBS / 'arduino'}"]
    sketch = ["-x", "c++", "-include", "Arduino.h", EXAMPLES / "microphone" / "microphone.ino"]
    compiled(tmp_path, plus, *flags, *loose, *sketch)
    api = json.loads((tmp_path / "out" / "voice.json").read_text())["interface"]
    assert [(slot["ctype"], slot["count"]) for slot in api["inputs"]] == [("int16_t", 16_000)]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([ARM_GCC, *M7], marks=needs_gcc, id="gcc"),
        pytest.param(
            [*ZIG, "-target", "thumb-freestanding-eabihf", *CPUS["cortex-m7"].zig, *CLANG],
            marks=needs_zig,
            id="zig",
        ),
    ],
)
def test_the_accelerometer_s_firmware_compiles(command: list[str], motion: Path) -> None:
    where = [f"-I{STUBS / 'zephyr'}", f"-I{SOURCES / 'include'}", "-Isrc", "-std=c11", "-O2"]
    own = EXAMPLES / "accelerometer" / "src" / "main.c"
    for source in [*sorted((motion / "src").glob("*.c")), own]:
        made = motion / f"{source.stem}.o"
        compiled(motion, *command, *where, *CAREFUL, "-c", source, "-o", made)
    assert sizes(motion / "motion.o")[".dtcm_noinit"] > 4000


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package("accelerometer", tmp_path_factory.mktemp("motion"))


@needs_zig
def test_the_camera_s_firmware_compiles(tmp_path: Path) -> None:
    """For RISC-V: there is no compiler for the ESP32-S3's Xtensa here."""
    component = package("camera", tmp_path)
    core = ["-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c", *CLANG, "-O2", "-std=c11"]
    stubs = [STUBS / "esp_idf", ROOT / "tests" / "life" / "stubs", SOURCES / "include"]
    where = [*(f"-I{stub}" for stub in stubs), "-Isrc"]
    for source in [*sorted((component / "src").glob("*.c")), EXAMPLES / "camera/main/main.c"]:
        made = tmp_path / f"{source.stem}.o"
        compiled(component, *ZIG, *core, *where, *CAREFUL, "-c", source, "-o", made)


def test_every_example_is_in_the_table() -> None:
    table = (EXAMPLES / "README.md").read_text()
    folders = [path for path in EXAMPLES.iterdir() if path.is_dir()]
    assert len(folders) == 3
    for folder in folders:
        assert f"[{folder.name}]({folder.name})" in table
        assert (folder / "README.md").is_file() and (folder / "network.py").is_file()
