"""What compiles, builds: odd sizes, every scheme, optimiser and gradient, every core and compiler,
and no warning.  `make matrix` builds more of it."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

import trainlet as tl
from builds.covering import Row, covering
from builds.programs import FACTORS, compiled
from emulator.project import HAS_CC, HAS_GCC
from trainlet.backends.firmware import SOURCES
from trainlet.backends.toolchain import EXACT, ZIG, arm_toolchain, host_compiler, run, warning_flags
from trainlet.planning.target import Target

STRENGTH = int(os.environ.get("TRAINLET_MATRIX", "2"))
"""Every choice of so many factors is built together; as many as there are make the full product."""


def named(row: Row) -> str:
    return "-".join(str(value).lstrip("-").replace(", ", "x") for value in row.values())


def build(source: Path, row: Row) -> None:
    """An object file of the generated C; raises ToolchainError at the first warning."""
    cpu, output = Target.preset(row["target"]).cpu, source.with_suffix(".o")
    if cpu:
        include = f"-I{SOURCES / 'include'}"
        arm_toolchain(row["compiler"]).compile(cpu, source, output, include, row["level"])
    else:
        host = host_compiler() if row["compiler"] == "gcc" else ZIG
        run([*host, *EXACT, row["level"], *warning_flags(), "-c", str(source), "-o", str(output)])


@pytest.mark.parametrize("row", covering(FACTORS, STRENGTH), ids=named)
def test_it_builds_without_a_warning(row: Row, tmp_path: Path) -> None:
    present = HAS_CC if row["target"] == "host" else HAS_GCC
    if row["compiler"] == "gcc" and not present:
        pytest.skip("this gcc is not installed")
    folder = compiled(row).write(tmp_path / "out")
    build(folder / "trainer.c", row)
    build(folder / "main.c", {**row, "target": "host"})


@pytest.mark.skipif(not HAS_GCC, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7", "cortex-m55"])
def test_layers_of_one_kind_leave_no_helper_unused(core: str, tmp_path: Path) -> None:
    """A header brings functions that only other layers call."""
    layers = nn.Sequential(nn.Linear(9, 13), nn.ReLU(), nn.Linear(13, 13), nn.ReLU(),
                           nn.Linear(13, 3))  # fmt: skip
    x = torch.randn(1, 9)
    program = tl.compile(layers.eval(), x, "bias", target=core, calibration=[x.numpy()],
                         precision=tl.Int8(gradient="int16"))  # fmt: skip
    row = {"target": core, "compiler": "gcc", "level": "-O3"}
    build(program.write(tmp_path / "out") / "trainer.c", row)
