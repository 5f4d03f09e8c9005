"""Measurements on the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

from trainlet.errors import TrainletError

Task = TypeVar("Task")
Result = TypeVar("Result")
LOCAL = "local"
"""In the place of an address: a cluster of this machine alone, for as long as it is needed."""


def library() -> Any:
    """Ray's module; raises TrainletError where it is not installed."""
    try:
        return import_module("ray")
    except ImportError:
        raise TrainletError(
            "measurements on a cluster need the package ray; pip install 'trainlet[ray]' here, and "
            "trainlet on each machine of the cluster"
        ) from None


def spread(
    address: str, packed: Any, call: Callable[[Any, Task], Result], tasks: Sequence[Task]
) -> Iterator[Result]:
    """`call(packed, task)` for every task, a core each, in the order in which they end.

    address: such as 10.0.0.1:6379 or ray://10.0.0.1:10001, or "local"; packed: goes to each machine
    once.  Raises TrainletError where no cluster answers, and what a call raises.
    """
    ray = library()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise TrainletError(
            f"no Ray cluster answers at {address}: {error}; allowed: the address that `ray start "
            f"--head` prints, or {LOCAL}"
        ) from None
    try:
        remote, shared = ray.remote(num_cpus=1)(call), ray.put(packed)
        waiting = [remote.remote(shared, task) for task in tasks]
        while waiting:
            (done, *_), waiting = ray.wait(waiting)
            yield ray.get(done)
    finally:
        ray.shutdown()
