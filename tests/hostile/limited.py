"""A child process with little memory and little time: what should be refused at once is refused
there, or the child dies."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import trainlet as tl

CPU_SECONDS = 20
MEMORY = 1 << 30
"""Beyond what the parent has when the child begins."""


def outcome(action: Callable[[], object], memory: int = MEMORY, cpu: int = CPU_SECONDS) -> str:
    """ "accepted", the name of a Trainlet error and its message, "FOREIGN ..." or "DIED ..."."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=_run, args=(action, sender, memory, cpu)
    )
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        return f"DIED {child.exitcode}"
    finally:
        child.join()
        receiver.close()


def _run(action: Callable[[], object], sender, memory: int, cpu: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + memory,) * 2)
    try:
        action()
        result = "accepted"
    except tl.TrainletError as error:
        result = f"{type(error).__name__}: {error}"
    except BaseException as error:
        result = f"FOREIGN {type(error).__name__}: {error}"
    sender.send(result)


def _mapped() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
