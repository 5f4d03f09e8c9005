"""Sums of float32 products keep their bits where the FPU multiplies and adds in one instruction."""

import numpy as np
import pytest

from emulator.project import HAS_GCC, HAS_QEMU
from kernels.board import Board
from kernels.elements import RANDOM as ELEMENTS
from kernels.emulated import Emulated
from kernels.floats import RANDOM, bits, of_layer, rounded_twice
from kernels.shadows import folder, given, shadowing
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.planning.target import PRESETS, Target

SHADOWS = [f.stem for f in shadowing(Target.preset("cortex-m7").kernels) if f.stem in RANDOM]
SHADOWS.append("fused")
gcc = pytest.mark.skipif(not HAS_GCC, reason="arm-none-eabi-gcc is not installed")


def agree(op, cases, found, reference):
    for k, ((node, arrays), result) in enumerate(zip(cases, found, strict=True)):
        expected = reference.run(node, arrays)
        np.testing.assert_array_equal(bits(result), bits(expected), f"{op} {k}: {node.attrs}")


def test_a_case_tells_one_rounding_from_two(reference):
    ((node, (x, w, b)),) = rounded_twice()
    assert (reference.run(node, [x, w, b]) == 0).all()
    assert (np.float32(x.astype(np.float64) @ w.T + b) == 2**-24).all()


def test_only_cores_with_an_fpu_shadow_them():
    for target in PRESETS.values():
        if target.cpu and not target.cpu.fpu:
            assert not shadowing(target.kernels)


@gcc
def test_the_result_may_take_an_input_s_place(tmp_path, reference):
    core = Emulated("cortex-m7", "gcc", tmp_path)
    for op in ELEMENTS:
        cases = [(*case, over) for case in given(op) for over in in_place_candidates(case[0])]
        assert bool(cases) == bool(OPS[op].inplace or OPS[op].inplace_of), op
        found = [core.run(*case) for case in cases]
        agree(op, [case[:2] for case in cases], found, reference)


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


MOST = {
    "conv2d": ((1, 1), 64, (1.4, 1.45, 1.4)),
    "conv2d_i8": ((1, 1), 64, (None, 1.75, 1.55)),
    "depthwise": ((3, 3), 32, (2.7, 2.7, 1.75)),
    "depthwise_i8": ((3, 3), 32, (None, 3.7, 3.1)),
}
"""Window, channels, and instructions for each multiply-accumulate: forward, dx, dw."""


@gcc
def test_what_layers_take_on_a_cortex_m7(tmp_path):
    core, rng, size = Emulated("cortex-m7", "gcc", tmp_path), np.random.default_rng(0), (16, 16)
    for layer, (kernel, c, most) in MOST.items():
        deep = layer.startswith("conv2d")
        edge = kernel[0] // 2
        where = {"stride": (1, 1), "padding": (edge,) * 4, "dilation": (1, 1)}
        attrs = where | ({"groups": 1} if deep else {})
        w, map_ = ((c, *kernel, c) if deep else (*kernel, c)), (1, *size, c)
        for end, limit in zip(("", "_dx", "_dw"), most, strict=True):
            if limit:
                op, axis = layer + end, 0 if deep else 2
                node, arrays = of_layer(rng, op, map_, w, map_, kernel, size, attrs, axis)
                core.run(node, arrays)
                assert core.instructions <= limit * OPS[op].macs(node), op
