"""The one random generator: a hash of (seed, step, tensor, element).

It is counter-based, so its numbers do not depend on the order of evaluation, and the simulation,
the host and the device draw the same ones.  `mix` is a 32-bit finaliser (two multiplications and
three xor-shifts); kernels/reference/random.h is the same in C.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

GOLDEN = 0x9E3779B9
MASK = 0xFFFFFFFF


def mix(x: Any) -> Any:
    """Scramble uint32 values, held in uint64: a number or an array."""
    x = x ^ (x >> np.uint64(16))
    x = (x * np.uint64(0x7FEB352D)) & np.uint64(MASK)
    x = x ^ (x >> np.uint64(15))
    x = (x * np.uint64(0x846CA68B)) & np.uint64(MASK)
    return x ^ (x >> np.uint64(16))


def tensor_id(name: str) -> int:
    """The number of a tensor in the hash: the CRC-32 of its name."""
    return zlib.crc32(name.encode())


def uniform24(seed: int, step: int, tensor: int, element: np.ndarray) -> np.ndarray:
    """For each element an integer in 0..2^24-1."""
    start = np.uint64((seed + step * GOLDEN) & MASK)
    key = mix(mix(start) ^ np.uint64(tensor))
    counter = element.astype(np.uint64) * np.uint64(GOLDEN)
    return mix((key + counter) & np.uint64(MASK)) >> np.uint64(8)


def round_stochastic(value: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """floor(value), plus one with the probability of the fraction; `draw` from `uniform24`."""
    below = np.floor(value)
    fraction = (value - below).astype(np.float32)
    up = draw.astype(np.float32) * np.float32(2.0**-24) < fraction
    return below.astype(np.int64) + up
