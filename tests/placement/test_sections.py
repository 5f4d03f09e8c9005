"""Arena, state and weights lie in the sections that the user names, and nothing else changes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from elftools.elf.elffile import ELFFile
from torch import nn

import trainlet as tl
from trainlet.backends.c import render, write_project
from trainlet.backends.firmware import SOURCES
from trainlet.backends.sections import LINE, sections_of
from trainlet.backends.toolchain import ARM_GCC, arm_toolchain, has_zig
from trainlet.errors import TargetError
from trainlet.planning.cpu import CPUS

SECTIONS = {"arena": ".dtcm", "state": ".sdram", "weights": ".qspi"}
MEMORY = """
MEMORY {
  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64K
  RAM (rw)   : ORIGIN = 0x24000000, LENGTH = 1K
  DTCM (rw)  : ORIGIN = 0x20000000, LENGTH = 64K
  SDRAM (rw) : ORIGIN = 0xc0000000, LENGTH = 64K
  QSPI (r)   : ORIGIN = 0x90000000, LENGTH = 64K
}
SECTIONS {
  .text : { KEEP(*trainer.o(.text .text.*)) *(.text .text.*) *(.rodata .rodata.*) } > FLASH
  .data : { *(.data .data.*) } > RAM AT> FLASH
  .bss (NOLOAD) : { *(.bss .bss.* COMMON) } > RAM
  .dtcm (NOLOAD) : { KEEP(*(.dtcm)) } > DTCM
  .sdram (NOLOAD) : { KEEP(*(.sdram)) } > SDRAM
  .qspi : { KEEP(*(.qspi)) } > QSPI
  /DISCARD/ : { *(.ARM.exidx*) *(.ARM.extab*) *(.comment) }
}
"""
RAM = ("0x20000000", "0xc0000000")


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


def program(target: str = "host") -> tl.CompiledProgram:
    return tl.compile(network(), torch.zeros(1, 6), "last", target=target)


@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param(
            "gcc", marks=pytest.mark.skipif(not shutil.which(ARM_GCC), reason="no arm gcc here")
        ),
        pytest.param("zig", marks=pytest.mark.skipif(not has_zig(), reason="no zig here")),
    ],
)
def test_a_linker_places_each_part_in_its_memory(compiler: str, tmp_path: Path) -> None:
    write_project(program("cortex-m7"), tmp_path, sections=SECTIONS)
    chain, cpu = arm_toolchain(compiler), CPUS["cortex-m7"]
    sources = [tmp_path / "trainer.c", SOURCES / "memory.c"]
    made = [tmp_path / f"{source.stem}.o" for source in sources]
    for source, output in zip(sources, made, strict=True):
        chain.compile(cpu, source, output, f"-I{SOURCES / 'include'}")
    (tmp_path / "link.ld").write_text(MEMORY)
    chain.link(cpu, made, tmp_path / "link.ld", tmp_path / "elf")
    with (tmp_path / "elf").open("rb") as file:
        elf = ELFFile(file)
        symbols = {s.name: s for s in elf.get_section_by_name(".symtab").iter_symbols()}  # type: ignore[union-attr]
        at = {name: symbol["st_value"] for name, symbol in symbols.items()}
        loaded = {hex(s["p_vaddr"]) for s in elf.iter_segments() if s["p_filesz"]}
    assert at["trainer__arena"] == 0x20000000
    assert at["trainer__state"] == 0xC0000000
    weights = {name: where for name, where in at.items() if "frozen_" in name or "initial_" in name}
    assert len(weights) == 4 and all(w >> 28 == 9 and w % LINE == 0 for w in weights.values())
    assert at["trainer__ready"] == 0x24000000  # start-up code clears it
    assert not loaded & set(RAM)


def printed(folder: Path, *command: str) -> str:
    """What the example of a project prints: losses and an output."""
    subprocess.run([*command, "main.c", "trainer.c", "-o", "main"], cwd=folder, check=True)
    return subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout


def test_the_same_bits_come_from_every_section(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    program().write(one)
    program().write(other, sections=SECTIONS)
    assert "section" in (other / "trainer.h").read_text().split("ATTRIBUTE", 2)[2]
    careful = ("gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    assert printed(one, *careful) == printed(other, *careful)


def test_only_the_header_differs() -> None:
    plain, placed = render(program()), render(program(), sections=SECTIONS)
    assert [name for name in plain if plain[name] != placed[name]] == ["trainer.h"]


def test_another_compiler_is_told_what_to_define(tmp_path: Path) -> None:
    program().write(tmp_path, sections={"arena": ".dtcm"})

    def said(*options: str) -> str:
        command = ["gcc", "-E", "-U__GNUC__", *options, "trainer.h"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr

    assert "define TRAINER_ARENA_ATTRIBUTE" in said()
    assert "TRAINER_STATE_ATTRIBUTE" not in said()
    assert "ATTRIBUTE" not in said("-DTRAINER_ARENA_ATTRIBUTE=")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"arena": '.x"))) int evil; //'}, "letters, digits"),
        ({"arena": ".dtcm\n"}, "letters, digits"),
        ({"arena": "a" * 49}, "at most 48"),
        ({"arena": ""}, "letters, digits"),
        ({"arena": 3}, "letters, digits"),
        ({"aerna": ".dtcm"}, "did you mean 'arena'"),
        ({"arena": ".rodata"}, "cannot hold 'arena'"),
        ({"state": ".text.mine"}, "cannot hold 'state'"),
        ({"weights": ".bss.mine"}, "cannot hold 'weights'"),
        ({"weights": ".x", "state": ".x"}, "one of their own"),
        (".dtcm", "{part: section}"),
    ],
)
def test_what_is_no_section_is_refused(given: object, why: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=why):
        program().write(tmp_path / "out", sections=given)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_names_of_real_linker_scripts_are_allowed() -> None:
    for name in (".dtcm", "SDRAM1", ".ext_ram.bss", ".bss.dtcm", ".noinit", ".RAM_D2"):
        assert sections_of({"arena": name}) == {"arena": name}


def test_a_target_without_c_has_no_sections(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no sections"):
        program("onnx").write(tmp_path, sections=SECTIONS)
