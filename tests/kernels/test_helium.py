"""Kernels with Helium give the same bits as their op, on a Cortex-M55 that QEMU emulates."""

import numpy as np
import pytest

from emulator.project import HAS_GCC, HAS_QEMU
from kernels.board import Board
from kernels.shadows import folder, given, sources
from trainlet.backends.target import Target
from trainlet.backends.toolchain import has_zig
from trainlet.ops.op import OPS

CORE = "cortex-m55"
HELIUM = [f.stem for f in sources(Target.preset(CORE).kernels) if f.parent == folder("helium")]
HAS = {"gcc": HAS_GCC, "zig": has_zig()}
COMPILERS = [
    pytest.param(tool, marks=pytest.mark.skipif(not there, reason=f"no {tool}"))
    for tool, there in HAS.items()
]


@pytest.mark.qemu
@pytest.mark.skipif(not HAS_QEMU, reason="only QEMU knows the Cortex-M55, and it is absent")
@pytest.mark.parametrize("tool", COMPILERS)
def test_on_the_core(tool, tmp_path):
    board = Board(CORE, tool, tmp_path)
    for op in HELIUM:
        cases = list(given(op))
        found = board.run(cases)
        for k, (node, arrays) in enumerate(cases):
            expected = OPS[op].eval(*arrays, **node.attrs)
            np.testing.assert_array_equal(found[k], expected, f"{op} {k}: {node.attrs}")
