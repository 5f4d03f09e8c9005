"""The host's side of the firmware's command loop, over any stream of bytes.

Keep it in step with backends/firmware/main.c.jinja.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from trainlet.backends.interface import Interface
from trainlet.errors import DeviceFault
from trainlet.planning.blob import check_length
from trainlet.run.device import (
    Closing,
    Inputs,
    Targets,
    check,
    flat_inputs,
    flat_targets,
    learning_rate,
)

EXIT, IDLE, INIT, PREDICT, STEP, SAVE, LOAD, STACK, MARKED, OBSERVE, MEASURE, SELECT = range(12)
FEATURES, PREDICT_FEATURES, STEP_FEATURES = range(12, 15)


@dataclass(frozen=True)
class Clock:
    """The counter that the firmware reads before and after a call: `hz` ticks in a second."""

    hz: int
    ticks_per_instruction: float

    def instructions(self, ticks: int, seconds: int) -> int:
        """Exact while an instruction takes over two ticks, or one; `ticks` may have wrapped."""
        wraps = round((seconds * self.hz - ticks) / 2**32)
        return round((ticks + wraps * 2**32) / self.ticks_per_instruction)

    def between(self, start: int, end: int) -> int:
        """Instructions between two readings of the counter, fewer than 2^32 ticks apart."""
        return round((end - start) % 2**32 / self.ticks_per_instruction)


class CommandLink(Protocol):
    """A stream to a running firmware.  Each method raises DeviceFault when it has faulted."""

    clock: Clock | None  # None: nothing is counted

    def send(self, data: bytes) -> None: ...

    def receive(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class CommandDevice(Closing):
    """A device that is a firmware behind a link."""

    def __init__(self, link: CommandLink, interface: Interface) -> None:
        self.interface = interface
        self.instructions: int | None = None
        self._link = link
        self._overhead = 0
        try:
            self._request(IDLE)
            self._reply("idle", counted=True)
            self._overhead = self.instructions or 0
            self.init()
        except BaseException:
            link.close()
            raise

    def init(self) -> None:
        self._request(INIT)
        self._reply("init", counted=True)

    def predict(self, inputs: Inputs) -> np.ndarray:
        given = self._given(inputs)
        size = sum(a.size for a in self.interface.outputs)
        self._request(PREDICT, *given)
        self._reply("predict", counted=True)
        return np.frombuffer(self._link.receive(size), self.interface.result).copy()

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        given = self._given(inputs)
        wanted = flat_targets(self.interface, target)
        self._request(STEP, *wanted, *given, rate=learning_rate(lr))
        self._reply("step", counted=True)
        return struct.unpack("<f", self._link.receive(4))[0]

    def observe(self, inputs: Inputs, target: Targets) -> None:
        given = self._given(inputs)
        self._request(OBSERVE, *flat_targets(self.interface, target), *given)
        self._reply("observe", counted=True)

    def features(self, inputs: Inputs) -> bytes:
        self._request(FEATURES, *self._given(inputs))
        self._reply("features", counted=True)
        return self._link.receive(self.interface.feature_bytes)

    def predict_features(self, features: bytes) -> np.ndarray:
        size = sum(a.size for a in self.interface.outputs)
        self._request(PREDICT_FEATURES, np.frombuffer(features, np.uint8))
        self._reply("predict_features", counted=True)
        return np.frombuffer(self._link.receive(size), self.interface.result).copy()

    def step_features(self, features: bytes, target: Targets, lr: float) -> float:
        wanted = flat_targets(self.interface, target)
        made = np.frombuffer(features, np.uint8)
        self._request(STEP_FEATURES, *wanted, made, rate=learning_rate(lr))
        self._reply("step_features", counted=True)
        return struct.unpack("<f", self._link.receive(4))[0]

    def measure(self, inputs: Inputs, target: Targets) -> None:
        given = self._given(inputs)
        self._request(MEASURE, *flat_targets(self.interface, target), *given)
        self._reply("measure", counted=True)

    def select(self) -> None:
        self._request(SELECT)
        self._reply("select", counted=True)

    def save(self) -> bytes:
        blob = bytearray(self.interface.blob_bytes)
        self._request(SAVE)
        for offset, size in self._pieces():
            blob[offset : offset + size] = self._link.receive(size)
        self._reply("save")
        return bytes(blob)

    def load(self, blob: bytes) -> None:
        check_length(blob, self.interface.blob_bytes)
        self._request(LOAD)
        for offset, size in self._pieces():
            self._link.send(blob[offset : offset + size])
        self._reply("load")

    def stack_used(self) -> int:
        self._request(STACK)
        return self._read_reply()[0]

    def marked(self) -> list[int]:
        """Instructions between the marks of the last call, which the firmware was built with."""
        assert self._link.clock, "marks are times: the device must count"
        self._request(MARKED)
        self._read_reply()
        (count,) = struct.unpack("<I", self._link.receive(4))
        ticks = np.frombuffer(self._link.receive(4 * count), np.uint32)
        return [self._link.clock.between(*pair) for pair in pairwise(ticks.tolist())]

    def close(self) -> None:
        self._link.close()

    def _given(self, inputs: Inputs) -> list[np.ndarray]:
        """The inputs; the streamed one, which the call itself reads, comes last."""
        pairs = zip(self.interface.inputs, flat_inputs(self.interface, inputs), strict=True)
        return [array for _, array in sorted(pairs, key=lambda pair: pair[0].rows > 0)]

    def _request(self, command: int, *arrays: np.ndarray, rate: float = 0.0) -> None:
        payload = b"".join(array.tobytes() for array in arrays)
        self._link.send(struct.pack("<If", command, rate) + payload)

    def _read_reply(self) -> tuple[int, int, int]:
        return struct.unpack("<iII", self._link.receive(12))

    def _reply(self, call: str, counted: bool = False) -> None:
        status, ticks, seconds = self._read_reply()
        if counted and self._link.clock:
            self.instructions = self._link.clock.instructions(ticks, seconds) - self._overhead
        check(status, call)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """(offset, size) of each piece of the blob that the firmware writes or wants."""
        while True:
            offset, size = struct.unpack("<II", self._link.receive(8))
            if not size:
                return
            if offset + size > self.interface.blob_bytes:
                raise DeviceFault(
                    f"the program moves bytes {offset} to {offset + size} of a saved state "
                    f"of {self.interface.blob_bytes} bytes"
                )
            yield offset, size
