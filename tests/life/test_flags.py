"""The libraries with floats give the same bits with the flags of any IDE, or refuse them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from life.library import FLAGS
from trainlet.backends.toolchain import ZIG, has_zig
from trainlet.life.library import C

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "trainlet_drift.h"
int main(void) {
  static float mean[7], inverse[7], row[7];
  trainlet_drift drift = TRAINLET_DRIFT(mean, inverse, 7, 40);
  unsigned hash = 2166136261u, random = 1;
  for (int k = 0; k < 400; k++) {
    for (int n = 0; n < 7; n++) {
      random = random * 1664525u + 1013904223u;
      row[n] = (float)(random >> 8) / 16777216.0f * (float)(1 + n) + (k > 300 ? 0.5f : 0.0f);
    }
    const int verdict = trainlet_drift_see(&drift, row);
    unsigned char bytes[sizeof drift.sum + sizeof drift.last + sizeof verdict];
    memcpy(bytes, &drift.sum, sizeof drift.sum);
    memcpy(bytes + sizeof drift.sum, &drift.last, sizeof drift.last);
    memcpy(bytes + sizeof drift.sum + sizeof drift.last, &verdict, sizeof verdict);
    for (unsigned b = 0; b < sizeof bytes; b++) hash = (hash ^ bytes[b]) * 16777619u;
  }
  return printf("%08x\n", hash) < 0;
}
"""
CLANG = [*ZIG, "-fno-sanitize=undefined"]
FUSED = ["-O3", "-std=gnu11", "-march=haswell"]  # it has fused multiply-add
needs_zig = pytest.mark.skipif(not has_zig(), reason="zig is not installed")


def bits(work: Path, *command: str) -> str:
    done = built(work, *command)
    assert done.returncode == 0, done.stderr
    return subprocess.run([work / "main"], capture_output=True, text=True, check=True).stdout


def built(work: Path, *command: str) -> subprocess.CompletedProcess[str]:
    (work / "main.c").write_text(MAIN)
    files = [f"-I{C}", "main.c", str(C / "trainlet_drift.c"), "-o", "main"]
    return subprocess.run([*command, *files], cwd=work, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [
        ["gcc", "-Os"],
        ["gcc", *FUSED],
        ["gcc", *FUSED, "-ffp-contract=fast", "-flto"],
        pytest.param([*CLANG, *FUSED, "-ffp-contract=on"], marks=needs_zig),
    ],
    ids=["size", "fused", "contracted", "clang"],
)
def test_the_bits_are_the_same(command: list[str], tmp_path: Path) -> None:
    assert bits(tmp_path, *command) == bits(tmp_path, "gcc", *FLAGS)


@pytest.mark.parametrize("flag", ["-ffast-math", "-Ofast", "-freciprocal-math"])
@pytest.mark.parametrize("part", ["drift", "lesson"])
def test_fast_math_is_refused(part: str, flag: str, tmp_path: Path) -> None:
    command = ["gcc", flag, "-c", str(C / f"trainlet_{part}.c"), "-o", str(tmp_path / "made.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode and "needs IEEE arithmetic" in done.stderr
