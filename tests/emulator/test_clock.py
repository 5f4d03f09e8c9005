"""The counter of a board, back to instructions."""

import pytest

from trainlet.run.commands import Clock

BOARDS = [Clock(hz, hz * 2**7 / 1e9) for hz in (20_000_000, 25_000_000, 32_000_000)]


@pytest.mark.parametrize("clock", [*BOARDS, Clock(1_000_000, 1)], ids=str)
@pytest.mark.parametrize("count", [0, 1, 5, 1000, 999_983, 1_234_567_890, 3_000_000_019, 10**11])
def test_counts_are_exact_whatever_the_phase(clock, count):
    for phase in (0.0, 0.01, 0.5, 0.99):
        start = int(phase)
        ticks = int(phase + count * clock.ticks_per_instruction) - start
        seconds = int((phase + count * clock.ticks_per_instruction) / clock.hz)
        assert clock.instructions(ticks % 2**32, seconds) == count
