"""The demo's firmware: the trainer, the libraries of a device's life, and life.c."""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile

import trainlet as tl
from trainlet.backends.c import write_project
from trainlet.backends.firmware import SOURCES, VECTORS, Firmware, core, render
from trainlet.backends.image import read_image
from trainlet.backends.interface import interface_of
from trainlet.backends.toolchain import arm_toolchain
from trainlet.files import write_text
from trainlet.life import write_library

LIFE = Path(__file__).parent / "life.c"
LIBRARIES = ("store", "replay", "lesson", "correct")


def build(program: tl.CompiledProgram, folder: Path) -> Firmware:
    """Compile and link everything in `folder`, with the project in `folder`/trainer.

    Raises ToolchainError without a compiler for Arm.
    """
    project, cpu = folder / "trainer", core(program.target)
    write_project(program, project)
    write_parts(project)
    toolchain = arm_toolchain(program.target.compiler)
    sources = {
        "trainer.o": project / f"{program.prefix}.c",
        "main.o": LIFE,
        **{f"{name}.o": project / f"trainlet_{name}.c" for name in LIBRARIES},
        "startup.o": SOURCES / "startup.c",
        "board.o": SOURCES / "board_semihosting.c",
        "memory.o": SOURCES / "memory.c",
    }
    options = [f"-I{project}", f"-I{SOURCES}", f"-I{SOURCES / 'include'}",
               f"-DHAS_FPU={int(cpu.fpu)}", f"-DMPU_VERSION={cpu.mpu}",
               f"-DTIMER_BASE={cpu.timer:#x}u"]  # fmt: skip
    if toolchain.kind == "gcc":  # it would turn the loop in memcpy into a call of memcpy
        options.append("-fno-tree-loop-distribute-patterns")
    for name, source in sources.items():
        toolchain.compile(cpu, source, folder / name, *options)
    offset = VECTORS if cpu.vectors == cpu.flash else 0
    script = render("link.ld.jinja", folder, target=program.target, cpu=cpu, offset=offset)
    elf = folder / "life.elf"
    toolchain.link(cpu, [folder / name for name in sources], script, elf)
    image = read_image(elf)
    flash = sum(len(content) for _, content in image.segments)
    ram = image.size(".trainer_data", ".data", ".trainer_bss", ".bss", ".stack")
    return Firmware(elf, interface_of(program), program.target, 0, 0, 0, flash, ram)


def write_parts(project: Path) -> None:
    """The libraries and life.c, beside the trainer."""
    write_library(project, LIBRARIES)
    write_text(project / LIFE.name, LIFE.read_text())


def code_bytes(folder: Path) -> dict[str, int]:
    """Flash that each library takes, of the objects in the folder of `build`."""
    found = {}
    for name in LIBRARIES:
        with (folder / f"{name}.o").open("rb") as file:
            sections = list(ELFFile(file).iter_sections())
            code = (".text", ".rodata")
            found[name] = sum(s["sh_size"] for s in sections if s.name.startswith(code))
    return found
