"""What the object code asks of others: what the header's text names, at any optimization."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import trainlet as tl
from compilers.test_flags import Integers, Network
from trainlet.backends.toolchain import ARM_GCC
from trainlet.planning.cpu import CPUS
from trainlet.planning.target import Target

NAMED = {"memcpy", "memset", "memmove"}
RUN_TIME = re.compile(r"__aeabi_\w+|__gnu_thumb1_\w+|__\w+di3|_GLOBAL_OFFSET_TABLE_")
LIKE_ANOTHER = {"cortex-m3", "cortex-m4", "cortex-m33"}  # of its kernels
NAMED_IN_TEXT = "memcpy", "memset", "memmove", "__aeabi_"


def written(core: str, folder: Path) -> list[Path]:
    """A float32 and an int8 trainer with that core's kernels."""
    cal = [np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)]
    whole = tl.Target(core, ram=1 << 20, flash=1 << 20, kernels=Target.preset(core).kernels)
    chosen = whole if core in CPUS else core
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = {
            "float": (Network(), {"optimizer": tl.Adam(0.01)}),
            "int": (Integers(), {"precision": tl.Int8(gradient="int16"), "calibration": cal}),
        }
    for name, (network, options) in made.items():
        example = torch.zeros(1, 3, 8, 8)
        program = tl.compile(network.eval(), example, "full", target=chosen, **options)
        program.write(folder / name)
    return [folder / name for name in made]


def undefined(folder: Path, command: list[str]) -> set[str]:
    """The symbols that the object needs; the compiler may say nothing."""
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-pass-failed", "-fno-pic"]
    source, made = folder / "trainer.c", folder / "trainer.o"
    subprocess.run([*command, *flags, "-c", source, "-o", made], check=True)
    nm = "arm-none-eabi-nm" if "arm" in command[0] else "nm"
    text = subprocess.run([nm, "-u", made], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in text.splitlines()}


def foreign(symbols: set[str]) -> set[str]:
    return {name for name in symbols - NAMED if not RUN_TIME.fullmatch(name)}


@pytest.mark.skipif(shutil.which(ARM_GCC) is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize(
    "core", [pytest.param(n, marks=pytest.mark.long if n in LIKE_ANOTHER else ()) for n in CPUS]
)
def test_a_core_s_program_needs_what_its_header_says(core: str, tmp_path: Path) -> None:
    for folder in written(core, tmp_path):
        text = (folder / "trainer.h").read_text()
        assert all(name in text for name in NAMED_IN_TEXT)
        for level in ("-O2", "-Os"):
            found = undefined(folder, [ARM_GCC, *CPUS[core].gcc, "-mthumb", level])
            assert not foreign(found), f"{core} {folder.name} {level}"


def test_the_host_s_program_needs_the_same(tmp_path: Path) -> None:
    for folder in written("host", tmp_path):
        for level in ("-O2", "-Os"):
            assert not foreign(undefined(folder, ["gcc", level])), f"{folder.name} {level}"
