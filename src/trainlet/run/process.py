"""A link to a firmware that runs in a process of its own, through its standard input and output."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
import weakref
from typing import IO

from trainlet.errors import DeviceFault
from trainlet.run.commands import Clock

PATIENCE = 5  # seconds for a process that has closed its output to end


class ProcessLink:
    """The process ends when the link is closed or forgotten, or when this process ends."""

    def __init__(
        self,
        command: list[str],
        timeout: float,
        clock: Clock | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self._timeout = timeout
        self._fault: str | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            command, bufsize=0, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            process_group=0,  # a terminal's Ctrl-C is for us; the device's state is still wanted
        )  # fmt: skip
        self._end = weakref.finalize(self, end, self._process, self._errors)
        assert self._process.stdin and self._process.stdout
        self._input = self._process.stdin.fileno()
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._input, False)

    def send(self, data: bytes) -> None:
        deadline = time.monotonic() + self._timeout
        rest = memoryview(data)
        while rest:
            self._wait(self._input, deadline)
            try:
                rest = rest[os.write(self._input, rest) :]
            except OSError:
                self._fail()

    def receive(self, size: int) -> bytes:
        deadline = time.monotonic() + self._timeout
        data = bytearray()
        while len(data) < size:
            self._wait(self._output, deadline)
            piece = os.read(self._output, size - len(data))
            if not piece:
                self._fail()
            data += piece
        return bytes(data)

    def close(self) -> None:
        self._fault = self._fault or "the device is closed; create a new one"
        self._end()

    def explain(self, code: int, errors: str) -> str:
        """A text that tells how the process ended."""
        return f"the process ended with code {code}: {errors[-2000:].strip() or 'no message'}"

    def _wait(self, pipe: int, deadline: float) -> None:
        if self._fault:
            raise DeviceFault(self._fault)
        poll = select.poll()  # unlike select.select, for any number of open files
        poll.register(pipe, select.POLLIN if pipe == self._output else select.POLLOUT)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self._fault = f"no answer within {self._timeout} s"
            self._end()
            raise DeviceFault(self._fault)

    def _fail(self) -> None:
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = 0
        self._errors.seek(0)
        self._fault = self.explain(code, self._errors.read().decode(errors="replace"))
        self._end()
        raise DeviceFault(self._fault)


def end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """Leave neither a zombie nor an open file behind."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, errors):
        if pipe:
            pipe.close()
