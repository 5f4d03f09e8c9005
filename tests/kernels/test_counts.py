"""What the fast kernels cost: instructions, of gcc, on a Cortex-M7, that no change may exceed."""

from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from emulator.project import HAS_GCC, HAS_QEMU
from int8.networks import program
from kernels.emulated import Emulated
from kernels.gradients import layer, scales, some_mantissas, without_padding
from kernels.shadows import layered, node, some_bytes
from trainlet.ops.op import OPS, typed
from trainlet.ops.quantized.gradient.block import EXPONENT
from trainlet.ops.quantized.types import affine, int8, weight

pytestmark = pytest.mark.skipif(not HAS_GCC, reason="arm-none-eabi-gcc is not installed")
PLAIN = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}


def same(kernel, stride=1):
    edge = kernel // 2
    return {"stride": (stride, stride), "padding": (edge,) * 4, "dilation": (1, 1)}


LAYERS = {
    "pointwise 8 to 32": ((16, 16, 8), (32, 1, 1, 8), PLAIN, 1.9),
    "pointwise 48 to 192": ((8, 8, 48), (192, 1, 1, 48), PLAIN, 1.05),
    "pointwise 160 to 40": ((8, 8, 160), (40, 1, 1, 160), PLAIN, 1.15),
    "pointwise 384 to 96": ((4, 4, 384), (96, 1, 1, 384), PLAIN, 1.3),
    "first of a network": ((32, 32, 3), (16, 3, 3, 3), same(3, 2), 2.1),
    "depthwise 3x3": ((32, 32, 16), (3, 3, 16), same(3), 2.5),
    "depthwise 3x3 stride 2": ((32, 32, 16), (3, 3, 16), same(3, 2), 3.45),
    "depthwise 3x3 of narrow maps": ((12, 5, 32), (3, 3, 32), same(3), 4.4),
    "depthwise 7x7": ((16, 16, 16), (7, 7, 16), same(7), 1.6),
}
"""Map, weight, geometry, and instructions for each multiply-accumulate."""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return Emulated("cortex-m7", "gcc", tmp_path_factory.mktemp("m7"))


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, core):
    size, w, where, most = LAYERS[name]
    rng = np.random.default_rng(0)
    x, depthwise = int8(1, *size, zero_point=-128), len(w) == 3
    op, axis = ("depthwise_i8", 2) if depthwise else ("conv2d_i8", 0)
    kind, groups = weight(*w, axis=axis), {} if depthwise else {"groups": 1}
    made, arrays = layered(rng, op, x, kind, w[axis], **where, **groups)
    arrays[3] = np.array([[2**30 + 5] * w[axis], [-8] * w[axis]], np.int32)
    core.run(made, arrays)
    assert core.instructions <= most * OPS[op].macs(made)


def test_elements(core):
    rng, kind = np.random.default_rng(0), int8(8192)
    source = affine(kind)
    rest = {"scale": 0.06, "zero_point": 3, "low": -128, "high": 127}
    operands = [some_bytes(rng, kind.shape) for _ in range(2)]
    core.run(node("add_i8", kind, kind, sources=(source, source), **rest), operands)
    assert core.instructions <= 11 * 8192
    core.run(node("clamp_mask_i8", kind, low=-128, high=127), operands[:1])
    assert core.instructions <= 2.5 * 8192


def test_mantissas(core):
    rng, kind, e = np.random.default_rng(0), typed("int16", 64, 192), np.asarray(-20, np.int32)
    g = some_mantissas(rng, kind.shape, "int16")
    bits = rng.integers(0, 256, g.size // 8).astype(np.uint8)
    core.run(node("mask_bfp", kind, typed("uint8", bits.size), EXPONENT), [g, bits, e])
    assert core.instructions <= 2.5 * g.size
    core.run(node("sum_bfp", kind, EXPONENT), [g, e])
    assert core.instructions <= 2.2 * g.size
    r, gain = scales(rng, kind.shape[1]), np.asarray(5000, np.int32)
    core.run(node("exponent_layer", kind, typed("int16", r.size), EXPONENT, EXPONENT),
             [g, r, gain, e])  # fmt: skip
    assert core.instructions <= 3.1 * g.size


@pytest.mark.parametrize(("kernel", "most"), [(3, 3.9), (5, 2.5), (7, 3.3)])
def test_depthwise_gradients(kernel, most, core, monkeypatch):
    """A window of 7 rows needs no more than one of 3: the map is cut where it costs least."""
    monkeypatch.setattr("kernels.gradients.dtype_of", lambda rng: "int16")
    w, where = weight(kernel, kernel, 48, axis=2), same(kernel)
    made, arrays = layer(np.random.default_rng(0), "depthwise_bfp_dx", (1, 8, 8, 48), w,
                         (1, *w.shape), without_padding(where), size=(8, 8), **where)  # fmt: skip
    core.run(made, arrays)
    assert core.instructions <= most * OPS["depthwise_bfp_dx"].macs(made)


DOCUMENT = Path(__file__).parents[2] / "docs" / "published-schemes.md"
PROMISED = {"cortex-m7": (34e6, 50e6), "cortex-m55": (8e6, 13e6)}
"""Instructions forward, and of a step."""


def documented(core: str) -> dict[str, float]:
    """A row of docs/published-schemes.md, by the columns of its table."""
    case = ("mcunet-5fps", "49KB", core, "int16", "4", "whole")
    lines = [line.strip("| \n").split(" | ") for line in DOCUMENT.read_text().splitlines()]
    names = next(line for line in lines if line[:3] == ["network", "scheme", "target"])
    row = next(line for line in lines if tuple(line[:6]) == case)
    found = {names[k]: row[k] for k in reversed(range(6, len(row)))}  # of two names, the first
    return {
        "ram": float(found["RAM"].split()[0].replace(",", "")),  # a note may follow
        "flash": float(found["Flash"].replace(",", "")),
        "forward": float(found["forward instr."].removesuffix(" M")) * 1e6,
        "step": float(found["step instr."].removesuffix(" M")) * 1e6,
    }


@pytest.mark.parametrize(
    ("target", "emulator"),
    [
        ("cortex-m7", "unicorn"),
        pytest.param(
            "cortex-m55", "qemu",
            marks=[pytest.mark.qemu, pytest.mark.skipif(not HAS_QEMU, reason="no QEMU")],
        ),
    ],
)  # fmt: skip
def test_a_whole_network_takes_what_the_document_says(target, emulator):
    """MCUNet-5FPS, and less than was promised; on a Cortex-M7 the reference engine takes 65.0 M
    instructions forward, 106.4 M a step, and 253.7 kB of RAM."""
    made, x = program("mcunet", tl.Target.preset(target), tl.Int8(gradient="int16"))
    with made.build(emulator) as device:
        device.predict(x)
        forward = device.instructions
        device.step(x, np.array([1]))
        step = device.instructions
    assert forward is not None and step is not None
    report = made.report
    assert report.ram_bytes is not None and report.flash_bytes is not None
    found = {"ram": report.ram_bytes, "flash": report.flash_bytes, "forward": forward, "step": step}
    for name, said in documented(target).items():
        assert abs(found[name] / said - 1) < 0.02, f"{name}: {found[name]}, documented {said}"
    assert report.ram_bytes <= 96_500 and report.flash_bytes <= 621_000
    most_forward, most = PROMISED[target]
    assert forward <= most_forward and step <= most


@pytest.mark.parametrize("beside", [0, 4])
def test_linear_layers_of_many_rows(beside, core):
    """Also with an adapter of that rank."""
    rng = np.random.default_rng(0)
    x, w, more, attrs = int8(32, 64), weight(172, 64), (), {}
    if beside:
        h = int8(32, beside)
        more, attrs = (h, weight(172, beside)), {"beside": affine(h)}
    op = "linear_pair_i8" if beside else "linear_i8"
    made, arrays = layered(rng, op, x, w, 172, more, **attrs)
    arrays += [some_bytes(rng, kind.shape) for kind in more]
    arrays[3] = np.array([[2**30 + 5] * 172, [-8] * 172], np.int32)
    core.run(made, arrays)
    assert core.instructions <= 1.9 * OPS[op].macs(made)
