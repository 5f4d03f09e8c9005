"""Kernels with Helium give the same bits as their op, on a Cortex-M55 that QEMU emulates."""

import numpy as np
import pytest

import trainlet as tl
from emulator.project import HAS_GCC, HAS_QEMU
from int8.networks import program, roomy
from int8.test_devices import lesson
from kernels.board import Board
from kernels.lanes import lanes
from kernels.shadows import folder, given, sources
from trainlet.backends.toolchain import has_zig
from trainlet.ops.op import OPS
from trainlet.planning.cpu import CPUS
from trainlet.planning.target import Target

CORE = "cortex-m55"
HELIUM = [f.stem for f in sources(Target.preset(CORE).kernels) if f.parent == folder("helium")]
HAS = {"gcc": HAS_GCC, "zig": has_zig()}
COMPILERS = [
    pytest.param(tool, marks=pytest.mark.skipif(not there, reason=f"no {tool}"))
    for tool, there in HAS.items()
]
qemu = pytest.mark.skipif(not HAS_QEMU, reason="only QEMU knows the Cortex-M55, and it is absent")


@pytest.mark.qemu
@qemu
@pytest.mark.parametrize("tool", COMPILERS)
def test_on_the_core(tool, tmp_path):
    board = Board(CORE, tool, tmp_path)
    for op in HELIUM:
        cases = [*given(op), *lanes(op)]
        found = board.run(cases)
        for k, (node, arrays) in enumerate(cases):
            with np.errstate(over="ignore", invalid="ignore"):
                expected = OPS[op].eval(*arrays, **node.attrs)
            np.testing.assert_array_equal(found[k], expected, f"{op} {k}: {node.attrs}")


@pytest.mark.qemu
@qemu
@pytest.mark.skipif(not HAS_GCC, reason="no gcc")
@pytest.mark.parametrize("name", [c.name for c in CPUS.values() if c.board and c.fpu])
def test_boards_count_instructions(name, tmp_path):
    """Their counters tick at the rate that Cpu.board says."""
    few, many = Board(name, "gcc", tmp_path).spin([1000, 51_000])
    assert abs(many - few - 100_000) <= 1


@pytest.mark.qemu
@qemu
@pytest.mark.skipif(not HAS_GCC, reason="no gcc")
def test_a_network_learns_the_same_as_on_this_machine():
    """The same project, which takes other kernels here."""
    made, x = program("ds_cnn", roomy(CORE), tl.Int8(gradient="int16"))
    with made.build("host") as host, made.build("qemu", count=False) as device:
        assert lesson(host, x, 2) == lesson(device, x, 2)
