"""The short way to rescale gives what the reference kernels' way gives, for every shift."""

import ctypes

import numpy as np
import pytest

from kernels.shadows import folder
from trainlet.backends.toolchain import compile_shared

SOURCE = """
#include "rescale_fast.h"
int unequal(const int32_t *sums, int n, int32_t multiplier, int shift, int zero, int rectified);
int unequal(const int32_t *sums, int n, int32_t multiplier, int shift, int zero, int rectified) {
  int32_t b = 0, q[2] = {multiplier, shift};
  int low = rectified ? zero : -128, found = 0;
  Channel c;
  channels(&c, 1, &b, q, 1, 0, rectified);
  for (int k = 0; k < n; k++) {
    int8_t y;
    store(&y, sums[k], &c, zero);
    clamp_bytes(&y, 1, low, 127);
    found += y != clamp_i8(rescale(sums[k], multiplier, shift), zero, low, 127);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    work = tmp_path_factory.mktemp("rescale")
    (work / "rescale.c").write_text(SOURCE)
    includes = [f"-I{folder(name)}" for name in ("cortex_m", "reference")]
    compile_shared([work / "rescale.c"], work / "rescale.so", *includes)
    return ctypes.CDLL(str(work / "rescale.so")).unequal


@pytest.mark.parametrize("rectified", [0, 1])
@pytest.mark.parametrize("shift", range(-31, 3))
def test_every_shift(shift, rectified, unequal):
    """Sums around the halves of results, of all sizes, and the largest."""
    rng = np.random.default_rng(31 + shift)
    for multiplier in (1 << 30, (1 << 31) - 1, int(rng.integers(1 << 30, 1 << 31)), 1 << 29):
        halves = np.arange(-300.5, 300) * 2.0 ** (31 - shift) / multiplier
        near = np.add.outer(np.rint(halves), np.arange(-3, 4)).ravel()
        sums = np.concatenate([near, rng.integers(-(2**31), 2**31, 1000) >> rng.integers(0, 31),
                               [-(2**31), 2**31 - 1, 0]])  # fmt: skip
        sums = np.clip(sums, -(2**31), 2**31 - 1).astype(np.int32)
        if shift > 0:
            sums = sums[np.abs(sums.astype(np.int64)) < 2 ** (31 - shift)]
        for zero in (-128, -6, 127):
            given = sums.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
            assert not unequal(given, sums.size, multiplier, shift, zero, rectified)
