"""What is being done, for whoever wants to show it.  Nobody has to listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Is called with the name of a stage, and how much of it is done of how much; 0, 0: unknown."""

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """The listener hears all stages that begin in the block, in this thread."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def stage(name: str, done: int = 0, total: int = 0) -> None:
    """A stage begins, or so much of it is done."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(name, done, total)


@contextmanager
def unheard() -> Iterator[None]:
    """Nobody hears the stages of the block: they are steps of a larger one."""
    with listening(lambda name, done, total: None):
        yield
