"""Samples in any numbers, windows out: C and Python alike, also while an interrupt feeds."""

from __future__ import annotations

import ctypes as c
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from life.library import FLAGS, built
from trainlet.errors import DataError
from trainlet.life import Listen
from trainlet.life.library import C

CAPACITY, SIZE, HOP = 128, 100, 30
EARLY, LATE = -401, -402


class Struct(c.Structure):
    _fields_ = (
        ("ring", c.c_void_p),
        *((name, c.c_uint32) for name in ("capacity", "size", "hop", "fed", "full", "read")),
    )


library = partial(built, "listen")


class InC:
    """trainlet_listen with a ring; fed: where the counter of samples begins."""

    def __init__(self, capacity: int = CAPACITY, size: int = SIZE, hop: int = HOP, fed: int = 0):
        self.ring = np.zeros(capacity, np.int16)
        self.struct = Struct(self.ring.ctypes.data, capacity, size, hop, fed, 0, fed)

    def feed(self, samples: np.ndarray) -> None:
        held = np.ascontiguousarray(samples, np.int16)
        library().trainlet_listen_feed(
            c.byref(self.struct), c.c_void_p(held.ctypes.data), len(held)
        )

    @property
    def ready(self) -> bool:
        return bool(library().trainlet_listen_ready(c.byref(self.struct)))

    def window(self) -> tuple[int, np.ndarray]:
        x = np.zeros(self.struct.size, np.int16)
        status = library().trainlet_listen_window(c.byref(self.struct), c.c_void_p(x.ctypes.data))
        return status, x

    def reset(self) -> None:
        library().trainlet_listen_reset(c.byref(self.struct))


@pytest.mark.parametrize("fed", [0, 2**32 - 700], ids=["begin", "counter wraps"])
@pytest.mark.parametrize("capacity", [128, 1024])
def test_windows_are_the_newest_samples_whatever_arrives_at_once(capacity, fed) -> None:
    """Blocks of 0 to 300 samples, some larger than the ring, and a pause."""
    rng = np.random.default_rng(0)
    ours, theirs, heard, read = InC(capacity, fed=fed), Listen(SIZE, HOP), np.zeros(0, np.int16), 0
    for turn in range(60):
        block = rng.integers(-(2**15), 2**15, rng.integers(0, 300 if turn % 7 else 12), np.int16)
        heard, read = np.concatenate([heard, block]), read + len(block)
        ours.feed(block)
        theirs.feed(block)
        ready = len(heard) >= SIZE and read >= HOP
        assert (ours.ready, theirs.ready) == (ready, ready), turn
        if len(heard) < SIZE:
            assert ours.window()[0] == EARLY
        elif ready and turn % 3:
            status, x = ours.window()
            assert status == 0 and np.array_equal(x, heard[-SIZE:]), turn
            assert np.array_equal(theirs.window()[0], x)
            read = 0
        if turn == 40:
            ours.reset()
            theirs.reset()
            heard, read = heard[:0], 0


def test_python_refuses_what_c_cannot_be_given() -> None:
    ears = Listen(SIZE, HOP)
    with pytest.raises(DataError, match="int16"):
        ears.feed(np.zeros(3, np.float32))
    ears.feed(np.zeros(SIZE - 1, np.int16))
    with pytest.raises(DataError, match="99 samples were heard; a window needs 100"):
        ears.window()


INTERRUPTED = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include "trainlet_listen.h"
static int16_t ring[4096];
static trainlet_listen ears = TRAINLET_LISTEN(ring, 4096, 4000, 1);
static uint16_t next;
static void interrupt(int signal) { /* a block of SAMPLES that count up */
  (void)signal;
  int16_t block[SAMPLES];
  for (int k = 0; k < SAMPLES; k++) block[k] = (int16_t)next++;
  trainlet_listen_feed(&ears, block, SAMPLES);
}
int main(void) {
  static int16_t x[4000];
  for (int k = 0; k < 100; k++) interrupt(0);
  signal(SIGALRM, interrupt);
  const struct itimerval often = {{0, 50}, {0, 50}};
  setitimer(ITIMER_REAL, &often, 0);
  long wrong = 0, late = 0;
  for (int turn = 0; turn < 20000; turn++) {
    const int status = trainlet_listen_window(&ears, x);
    late += status == TRAINLET_LISTEN_LATE;
    if (status != TRAINLET_LISTEN_OK) continue;
    for (int k = 1; k < 4000; k++) wrong += (uint16_t)x[k] != (uint16_t)(x[k - 1] + 1);
  }
  return printf("%ld %ld\n", wrong, late) < 0;
}
"""


@pytest.mark.parametrize("samples", [48, 480], ids=["fits", "overruns"])
def test_an_interrupt_never_spoils_a_window(samples: int, tmp_path: Path) -> None:
    """Where it feeds more than the ring has room for, the window says so."""
    (tmp_path / "main.c").write_text(INTERRUPTED)
    files = ["main.c", str(C / "trainlet_listen.c"), f"-I{C}", "-o", "main"]
    subprocess.run(["gcc", *FLAGS, f"-DSAMPLES={samples}", *files], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
    wrong, late = map(int, done.stdout.split())
    assert wrong == 0 and (samples < 96 or late > 0)
