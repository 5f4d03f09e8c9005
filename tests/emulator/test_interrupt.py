"""Ctrl-C during emulation is not lost."""

import signal
from collections.abc import Iterator

import pytest

from trainlet.interrupt import interrupt_afterwards


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """A shell's background job begins with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_comes_at_the_end_of_the_block():
    reached = False
    with pytest.raises(KeyboardInterrupt), interrupt_afterwards():
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_goes_through_and_the_handler_is_back():
    with pytest.raises(ValueError, match="own"), interrupt_afterwards():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
