"""Kernels with Helium give the same bits as their op, on a Cortex-M55 that QEMU emulates."""

from collections.abc import Iterator

import numpy as np
import pytest

import trainlet as tl
from emulator.project import HAS_GCC, HAS_QEMU
from int8.networks import program, roomy
from int8.test_devices import lesson
from kernels.board import Board
from kernels.shadows import Given, folder, given, layered, sources
from trainlet.backends.cpu import CPUS
from trainlet.backends.target import Target
from trainlet.backends.toolchain import has_zig
from trainlet.ops.op import OPS
from trainlet.ops.quantized.types import int8, weight

CORE = "cortex-m55"
HELIUM = [f.stem for f in sources(Target.preset(CORE).kernels) if f.parent == folder("helium")]
HAS = {"gcc": HAS_GCC, "zig": has_zig()}
COMPILERS = [
    pytest.param(tool, marks=pytest.mark.skipif(not there, reason=f"no {tool}"))
    for tool, there in HAS.items()
]
POINT = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
qemu = pytest.mark.skipif(not HAS_QEMU, reason="only QEMU knows the Cortex-M55, and it is absent")


def lanes(op: str) -> Iterator[Given]:
    """Shapes around the sizes of vectors and of what is kept in registers or on the stack."""
    rng = np.random.default_rng(11)
    if op == "conv2d_i8":
        for channels in (8, 16, 24, 32, 40, 48, 96):
            for pixels in (3, 4, 9, 18):
                x, w = int8(1, 1, pixels, channels, zero_point=-7), weight(3, 1, 1, channels)
                yield layered(rng, op, x, w, 3, groups=1, **POINT)
    if op == "depthwise_i8":
        for side, channels in ((4, 40), (8, 17), (9, 9), (16, 8), (33, 3)):
            for kernel, pad, stride in ((3, 1, 1), (5, 2, 2), (7, 3, 1), (7, 3, 2)):
                where = {"stride": (stride,) * 2, "padding": (pad,) * 4, "dilation": (1, 1)}
                x = int8(1, side, side, channels, zero_point=5)
                w = weight(kernel, kernel, channels, axis=2)
                yield layered(rng, op, x, w, channels, **where)


@pytest.mark.qemu
@qemu
@pytest.mark.parametrize("tool", COMPILERS)
def test_on_the_core(tool, tmp_path):
    board = Board(CORE, tool, tmp_path)
    for op in HELIUM:
        cases = [*given(op), *lanes(op)]
        found = board.run(cases)
        for k, (node, arrays) in enumerate(cases):
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
