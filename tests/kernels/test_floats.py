"""Sums of float32 products keep their bits where the FPU multiplies and adds in one instruction."""

import numpy as np
import pytest

from catalogue.kernels import Library, prototypes
from emulator.project import HAS_GCC, HAS_QEMU
from kernels.board import Board
from kernels.emulated import Emulated
from kernels.floats import RANDOM, rounded_twice
from kernels.shadows import REFERENCE, folder, given, shadowing, sources
from trainlet.backends.target import PRESETS, Target
from trainlet.backends.toolchain import compile_shared

SHADOWS = [f.stem for f in shadowing(Target.preset("cortex-m7").kernels) if f.stem in RANDOM]
gcc = pytest.mark.skipif(not HAS_GCC, reason="arm-none-eabi-gcc is not installed")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    work = tmp_path_factory.mktemp("reference")
    files = sources([REFERENCE])
    compile_shared(files, work / "kernels.so")
    return Library(work / "kernels.so", prototypes(work, files))


def agree(op, cases, found, reference):
    for k, ((node, arrays), result) in enumerate(zip(cases, found, strict=True)):
        expected = reference.run(node, arrays)
        np.testing.assert_array_equal(
            result.view(np.int32), expected.view(np.int32), f"{op} {k}: {node.attrs}"
        )


def test_a_case_tells_one_rounding_from_two(reference):
    ((node, (x, w, b)),) = rounded_twice()
    assert (reference.run(node, [x, w, b]) == 0).all()
    assert (np.float32(x.astype(np.float64) @ w.T + b) == 2**-24).all()


def test_only_cores_with_an_fpu_shadow_them():
    for target in PRESETS.values():
        if target.cpu and not target.cpu.fpu:
            assert not shadowing(target.kernels)


@gcc
def test_on_a_cortex_m33(tmp_path, reference):
    core = Emulated("cortex-m33", "gcc", tmp_path)
    for op in SHADOWS:
        cases = list(given(op))
        agree(op, cases, [core.run(*case) for case in cases], reference)


@pytest.mark.qemu
@gcc
@pytest.mark.skipif(not HAS_QEMU, reason="only QEMU knows the Cortex-M55, and it is absent")
def test_on_a_cortex_m55(tmp_path, reference):
    """Whose vectors would flush denormal numbers: it takes the scalar kernels."""
    board = Board("cortex-m55", "gcc", tmp_path)
    for op in SHADOWS:
        assert not (folder("helium") / f"{op}.c").exists()
        cases = list(given(op))
        agree(op, cases, board.run(cases), reference)
