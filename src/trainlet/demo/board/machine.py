"""The demo's emulated board: what its firmware, life.c, is asked, and what it says."""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import unicorn

import trainlet as tl
from trainlet.backends.firmware import Firmware
from trainlet.demo.board.build import build
from trainlet.errors import DeviceFault
from trainlet.run.unicorn_device import UnicornLink

START, RECORD, ASK, LESSON, CORRECT, SAVE = range(6)
DONE, STEPPED, JUDGED = range(3)
JUDGE, LEARN, KNOWN, NOTHING = 0, 1, 2, -1
"""What a recording is for: to judge lessons, to be learnt, to be learnt again."""
RECORDINGS, BANK = 0x90000000, 0x08100000
"""External Flash for recordings, and the bank of the core's own Flash for the state."""
RECORDINGS_BYTES, BANK_BYTES = 0x500000, 3 * 0x20000
REQUEST, REPLY = struct.Struct("<IIIiif"), struct.Struct("<iiiiifII")


class PowerCut(Exception):
    """The supply failed while the firmware wrote to its Flash."""


@dataclass(frozen=True)
class Moment:
    """What the firmware tells after a step, a prediction or a whole request.

    value: the answer, or how many examples judged; before, after: those that were right
    """

    kind: int
    status: int
    value: int
    before: int
    after: int
    loss: float
    instructions: int


class Supply(UnicornLink):
    """A core whose supply fails after so many bytes written to the bank; what Flash holds stays."""

    def __init__(self, firmware: Firmware, recordings: bytes | None, bank: bytes | None) -> None:
        self._first = (recordings or b"\xff" * RECORDINGS_BYTES, bank or b"\xff" * BANK_BYTES)
        self._left: int | None = None
        self._held = b""
        super().__init__(firmware, count=True, timeout=600, weights=None)

    def _map(self) -> None:
        super()._map()
        rights = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
        for at, content in zip((RECORDINGS, BANK), self._first, strict=True):
            self._core.mem_map(at, len(content), rights)
            self._core.mem_write(at, content)

    def fail_after(self, written: int) -> None:
        """Cut the power before the next write to the bank behind so many bytes.

        A hook on writes makes emulation slow, so there is none before.
        """
        self._left = written
        self._core.hook_add(
            unicorn.UC_HOOK_MEM_WRITE, self._on_write, begin=BANK, end=BANK + BANK_BYTES - 1
        )

    def flash(self) -> tuple[bytes, bytes]:
        """What the recordings' Flash and the bank hold, also after the power was cut."""
        bank = self._held or bytes(self._core.mem_read(BANK, BANK_BYTES))
        return bytes(self._core.mem_read(RECORDINGS, RECORDINGS_BYTES)), bank

    def _on_write(
        self, core: Any, access: int, address: int, size: int, value: int, data: Any
    ) -> None:
        if self._left is None or self._held:
            return
        self._left -= size
        if self._left < 0:
            self._held = bytes(core.mem_read(BANK, BANK_BYTES))  # this write has not been made
            core.emu_stop()

    def receive(self, size: int) -> bytes:
        try:
            return super().receive(size)
        except DeviceFault:
            if self._held:
                raise PowerCut from None
            raise


class Board:
    """The device, its Flash, and its user's recordings."""

    has_flash = True

    def __init__(self, program: tl.CompiledProgram, folder: Path) -> None:
        self.firmware = build(program, folder)
        self._link = Supply(self.firmware, None, None)
        self.start()

    def start(self) -> Moment:
        """From reset: the state that was saved last; status -101 where there is none."""
        return self._asked(START)

    def power_off_and_on(self) -> Moment:
        """RAM is lost, Flash is not."""
        flash = self._link.flash()
        self._link.close()
        self._link = Supply(self.firmware, *flash)
        return self.start()

    def fail_after(self, written: int) -> None:
        """The power fails before the byte behind so many that are written to the state's Flash."""
        self._link.fail_after(written)

    def record(self, number: int, clip: np.ndarray, label: int, role: int) -> None:
        """Store a clip, int16 [16000].  role: JUDGE, LEARN or KNOWN"""
        self._asked(RECORD, number, label=label, role=role, sound=clip)

    def ask(self, clip: np.ndarray) -> Moment:
        """What the microphone hears; `value` is the word's number."""
        return self._asked(ASK, sound=clip)

    def lesson(
        self, first: int, count: int, passes: int, rate: float
    ) -> Generator[Moment, None, Moment]:
        """On the recordings from `first` on; yields every step and every judged example.

        The result has status 0 where the device learnt, and 1 where it went back.
        """
        self._request(LESSON, passes, count, first, rate=rate)
        while (moment := self._reply()).kind != DONE:
            yield moment
        return moment

    def correct(self, number: int, label: int, rate: float) -> Moment:
        """No, that recording was the word `label`."""
        self._request(CORRECT, number, label=label, rate=rate)
        while (moment := self._reply()).kind != DONE:
            pass
        return moment

    def save(self) -> Moment:
        """The state, into Flash; raises PowerCut if the supply fails."""
        return self._asked(SAVE)

    def close(self) -> None:
        self._link.close()

    def _asked(self, command: int, number: int = 0, **options: Any) -> Moment:
        self._request(command, number, **options)
        return self._reply()

    def _request(
        self, command: int, number: int = 0, count: int = 0, label: int = 0, role: int = 0,
        rate: float = 0.0, sound: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        sent = b"" if sound is None else np.ascontiguousarray(sound, "<i2").tobytes()
        self._link.send(REQUEST.pack(command, number, count, label, role, rate) + sent)

    def _reply(self) -> Moment:
        kind, status, value, before, after, loss, ticks, seconds = REPLY.unpack(
            self._link.receive(REPLY.size)
        )
        clock = self._link.clock
        assert clock, "this link counts"
        count = clock.instructions(ticks, seconds)
        return Moment(kind, status, value, before, after, loss, count)
