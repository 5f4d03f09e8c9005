"""The C computes the same bits with any IDE's flags, and refuses those that would change them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.backends.toolchain import EXACT, ZIG, has_zig

MAIN = r"""
#include <stdio.h>
#include "trainer.h"
static uint32_t hash = 2166136261u;
static int add(void *context, uint32_t at, const void *bytes, uint32_t size) {
  (void)context, (void)at;
  for (uint32_t k = 0; k < size; k++) hash = (hash ^ ((const uint8_t *)bytes)[k]) * 16777619u;
  return 0;
}
int main(void) {
  static INPUT x[TRAINER_X_SIZE];
  static float logits[TRAINER_LOGITS_SIZE], loss;
  trainer_init();
  for (int step = 0; step < 6; step++) {
    const int32_t label = step % 4;
    for (int k = 0; k < TRAINER_X_SIZE; k++) x[k] = (INPUT)((k * 37 + step * 11) % 23 - 11) / SCALE;
    if (trainer_step(x, &label, 0.05f, &loss)) return 1;
    add(0, 0, &loss, sizeof loss);
  }
  if (trainer_predict(x, logits)) return 2;
  add(0, 0, logits, sizeof logits);
  trainer_save(add, 0);
  return printf("%08x\n", (unsigned)hash) < 0;
}
"""
CLANG = [*ZIG, "-fno-sanitize=undefined"]
FUSED = ["-O3", "-std=gnu11", "-march=haswell"]  # it has fused multiply-add
COMMANDS = [
    ["gcc", "-O0"],
    ["gcc", "-Os"],
    ["gcc", "-O3"],
    ["gcc", *FUSED],
    ["gcc", *FUSED, "-ffp-contract=fast"],
    ["gcc", "-O3", "-flto"],
    ["gcc", "-O2", "-std=c99", "-funsigned-char", "-fshort-enums"],
    [*CLANG, *FUSED],
    [*CLANG, "-Os"],
]
REFUSED = [
    ["gcc", "-ffast-math"],
    ["gcc", "-Ofast"],
    ["gcc", "-ffinite-math-only"],
    ["gcc", "-funsafe-math-optimizations"],
    ["gcc", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"],
    ["gcc", "-freciprocal-math"],
    ["gcc", "-fno-signed-zeros"],
    ["gcc", "-mfpmath=387", "-m32"],
    [*CLANG, "-ffast-math"],
    [*CLANG, "-ffinite-math-only"],
]


def called(command: list[str]) -> str:
    return " ".join(word for word in command if not word.startswith("/"))


needs_zig = pytest.mark.skipif(not has_zig(), reason="zig is not installed")


def cases(commands: list[list[str]]) -> list:
    return [
        pytest.param(c, id=called(c), marks=[needs_zig] if "ziglang" in c else []) for c in commands
    ]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.point = nn.Conv2d(8, 12, 1)
        self.norm = nn.GroupNorm(3, 12)
        self.fc = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x))
        x = nn.functional.gelu(self.norm(self.point(x)))
        return self.fc(nn.functional.max_pool2d(x, 2).mean((2, 3)))


class Integers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.depthwise(torch.relu(self.conv(x)))).mean((2, 3)))


@pytest.fixture(scope="module", params=["float32", "int8"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with Adam's state, and one with gradients in int16, so that memory changes its type."""
    folder = tmp_path_factory.mktemp("flags") / request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network() if request.param == "float32" else Integers()
    options: dict = {"optimizer": tl.Adam(0.01)}
    kinds = {"INPUT": "float", "SCALE": "7.0f"}
    if request.param == "int8":
        shown = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
        options = {"precision": tl.Int8(gradient="int16"), "calibration": [shown]}
        kinds = {"INPUT": "int8_t", "SCALE": "1"}
    program = tl.compile(network.eval(), torch.zeros(1, 3, 8, 8), "full", target="host", **options)
    program.write(folder)
    definitions = "".join(f"#define {name} {value}\n" for name, value in kinds.items())
    (folder / "bits.c").write_text(f"#include <stdint.h>\n{definitions}{MAIN}")
    return folder


def compiled(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """With warnings that a user may have on, and none of which may come."""
    warn = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-Wno-pass-failed"]
    files = ["bits.c", "trainer.c", "-o", "bits", "-lm"]
    given = [*command, *([] if "-flto" in command else warn), *files]
    return subprocess.run(given, cwd=project, capture_output=True, text=True)


def bits(project: Path, *command: str) -> str:
    done = compiled(project, *command)
    assert done.returncode == 0, done.stderr[:2000]
    return subprocess.run([project / "bits"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", cases(COMMANDS))
def test_the_bits_are_the_same(project: Path, command: list[str]) -> None:
    assert bits(project, *command) == bits(project, "gcc", "-O2", *EXACT)


@pytest.mark.parametrize("command", cases(REFUSED))
def test_fast_math_and_its_parts_are_refused(project: Path, command: list[str]) -> None:
    done = compiled(project, *command)
    assert done.returncode and "trainer.c needs" in done.stderr
