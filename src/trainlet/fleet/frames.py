"""Frames between a gateway and a board: the same as in board/fleet_board.c.

0xA5, kind, sequence, length of the payload (2 bytes), payload, CRC-32 of all between; numbers are
little-endian.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import termios
import time
import tty
import zlib
from dataclasses import dataclass
from typing import Protocol

from trainlet.errors import FileError

START, MOST = 0xA5, 248
HELLO, INIT, LOAD, DATA, TRAIN, SAVE, ACK = range(1, 8)
DONE, ASK, PUT = 0x81, 0x82, 0x83
_HEAD = struct.Struct("<BBH")
_SEAL = struct.Struct("<I")


class Stream(Protocol):
    """Bytes to and from a board."""

    def read(self, seconds: float) -> bytes:
        """What has come, at least a byte; empty if nothing comes in this time."""
        ...

    def write(self, data: bytes) -> None:
        """Raises OSError where the stream is broken."""
        ...


@dataclass(frozen=True)
class FileStream:
    """Two open files, such as a serial port, a socket or a process's pipes."""

    source: int
    sink: int

    def __enter__(self) -> FileStream:
        return self

    def __exit__(self, *error: object) -> None:
        for file in {self.source, self.sink}:
            os.close(file)

    def read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self.source], [], [], max(seconds, 0))
        return os.read(self.source, 4096) if ready else b""

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.sink, data) :]


def open_stream(where: str, baud: int = 115200) -> FileStream:
    """A serial port by its path, or "tcp:HOST:PORT"; raises FileError."""
    try:
        if where.startswith("tcp:"):
            host, _, port = where.removeprefix("tcp:").rpartition(":")
            made = socket.create_connection((host, int(port)))
            file = made.detach()
        else:
            file = os.open(where, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(file)
            settings = termios.tcgetattr(file)
            settings[4] = settings[5] = getattr(termios, f"B{baud}")
            termios.tcsetattr(file, termios.TCSANOW, settings)
    except (OSError, ValueError, AttributeError, termios.error) as error:
        raise FileError(f"{where}: cannot be opened as a board's stream ({error}); allowed: the "
                        "path of a serial port, or tcp:HOST:PORT") from None  # fmt: skip
    return FileStream(file, file)


@dataclass(frozen=True)
class Frame:
    """A frame that is whole."""

    kind: int
    sequence: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes of the frame."""
        body = _HEAD.pack(self.kind, self.sequence, len(self.payload)) + self.payload
        return bytes([START]) + body + _SEAL.pack(zlib.crc32(body))


class Frames:
    """Reads frames from a stream, and passes over what is damaged."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self._read = stream, bytearray()

    def send(self, frame: Frame) -> None:
        """Write a frame."""
        self.stream.write(frame.encode())

    def receive(self, seconds: float) -> Frame | None:
        """The next whole frame; None if none comes in this time."""
        end = time.monotonic() + seconds
        while (found := self._next()) is None:
            if not (more := self.stream.read(end - time.monotonic())):
                if time.monotonic() >= end:
                    return None
                time.sleep(0.01)  # the other end has closed; it may come back
            self._read += more
        return found

    def _next(self) -> Frame | None:
        """A frame among the bytes read so far."""
        while START in self._read:
            del self._read[: self._read.index(START)]
            if len(self._read) < 1 + _HEAD.size:
                return None
            kind, sequence, size = _HEAD.unpack_from(self._read, 1)
            end = 1 + _HEAD.size + size + _SEAL.size
            if size <= MOST and len(self._read) < end:
                return None
            body = bytes(self._read[1 : end - _SEAL.size])
            if size <= MOST and _SEAL.pack(zlib.crc32(body)) == self._read[end - _SEAL.size : end]:
                del self._read[:end]
                return Frame(kind, sequence, body[_HEAD.size :])
            del self._read[0]
        self._read.clear()
        return None
