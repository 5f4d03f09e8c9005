"""One program, the same bits: gcc's and clang's here, and clang's on a microcontroller."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import trainlet as tl
from emulator.project import HAS_CC, HAS_QEMU
from trainlet.backends import toolchain

CORES = ("cortex-m3", "cortex-m7", "cortex-m55")  # one of each set of kernels
IMAGE = (1, 3, 8, 8)


class Small(nn.Module):
    """A window, a depthwise and a pointwise layer, whose 13 rows of weights leave a rest."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 9, 3, padding=1), nn.Conv2d(9, 9, 3, padding=1, groups=9)
        self.c, self.head = nn.Conv2d(9, 13, 1), nn.Linear(13, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.c(F.relu6(self.b(F.relu(self.a(x))))))
        return self.head(F.avg_pool2d(y, 2).mean((2, 3)))


@cache
def program(core: str, gradient: str) -> tl.CompiledProgram:
    torch.manual_seed(0)
    place = replace(tl.Target.preset(core), ram=1 << 20, flash=2 << 20, compiler="zig")
    return tl.compile(
        Small().eval(), torch.zeros(IMAGE), "full", target=place,
        precision=tl.Int8(gradient=gradient), calibration=images(),
    )  # fmt: skip


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(IMAGE).astype(np.float32) for _ in range(6)]


def lesson(trainer: tl.Trainer) -> tuple[list[float], bytes]:
    with trainer:
        losses = [trainer.step(x, [k % 5], 0.05) for k, x in enumerate(images())]
        return losses, trainer.save()


@cache
def by_gcc(core: str, gradient: str) -> tuple[list[float], bytes]:
    return lesson(program(core, gradient).build("host"))


@pytest.mark.skipif(not HAS_CC or not toolchain.has_zig(), reason="needs two compilers")
@pytest.mark.parametrize("gradient", ["int8", "int16"])
@pytest.mark.parametrize("core", CORES)
def test_clang_gives_the_bits_of_gcc(
    core: str, gradient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the flags of ours that a user's IDE does not know."""
    wanted = by_gcc(core, gradient)
    plain = (*toolchain.ZIG, "-fno-sanitize=undefined")
    monkeypatch.setattr(toolchain, "host_compiler", lambda sanitizers=False: plain)
    assert lesson(program(core, gradient).build("host")) == wanted


@pytest.mark.skipif(not HAS_CC or not toolchain.has_zig(), reason="needs two compilers")
@pytest.mark.parametrize("gradient", ["int8", "int16"])
@pytest.mark.parametrize("core", CORES)
def test_clang_s_firmware_gives_the_bits_of_gcc(core: str, gradient: str) -> None:
    device = "qemu" if core == "cortex-m55" else "unicorn"
    if device == "qemu" and not HAS_QEMU:
        pytest.skip("qemu-system-arm is not installed")
    built = program(core, gradient).build(device, count=False)
    assert lesson(built) == by_gcc(core, gradient)
