"""The two messages of a round as bytes: a task for a device, and the update that it sends back.

    task:    "TLTK" version round base device settings payload CRC-32
    update:  "TLUP" version round device fingerprint examples loss payload CRC-32

All numbers are little-endian.  A checksum tells damage; it does not tell who sent a message, which
is the work of the connection (TLS and the keys of the nodes).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from trainlet.errors import StateError

VERSION = 1
TASK, UPDATE = b"TLTK", b"TLUP"
_TASK = struct.Struct("<4sIIiIIIf")
_UPDATE = struct.Struct("<4sIIIIIf")
_CRC = struct.Struct("<I")
NOTHING = -1
"""The base of a task whose payload is the whole vector."""


@dataclass(frozen=True)
class Task:
    """What a device has to do in a round.

    base: the round after which the device had the vector that the payload changes, or NOTHING
    seed: of the order of the examples; lr: learning rate, NaN for the program's own
    payload: changes of the shared vector since `base`, one after the other, each with its length
    """

    round: int
    base: int
    device: int
    epochs: int
    seed: int
    lr: float
    payload: bytes

    def encode(self) -> bytes:
        """The message."""
        head = _TASK.pack(
            TASK, VERSION, self.round, self.base, self.device, self.epochs, self.seed, self.lr
        )
        return _sealed(head + self.payload)

    @staticmethod
    def decode(message: bytes) -> Task:
        """Raises StateError for a message that is damaged or no task."""
        body = _opened(message, TASK, _TASK.size, "a task")
        _, _, round, base, device, epochs, seed, lr = _TASK.unpack_from(body)
        return Task(round, base, device, epochs, seed, lr, body[_TASK.size :])


@dataclass(frozen=True)
class Update:
    """What a device sends: how its shared values changed in a round, encoded.

    examples: how many it learnt from; loss: their mean loss before each step
    """

    round: int
    device: int
    fingerprint: int
    examples: int
    loss: float
    payload: bytes

    def encode(self) -> bytes:
        """The message."""
        head = _UPDATE.pack(
            UPDATE, VERSION, self.round, self.device, self.fingerprint, self.examples, self.loss
        )
        return _sealed(head + self.payload)

    @staticmethod
    def decode(message: bytes) -> Update:
        """Raises StateError for a message that is damaged or no update."""
        body = _opened(message, UPDATE, _UPDATE.size, "an update")
        _, _, round, device, mark, examples, loss = _UPDATE.unpack_from(body)
        return Update(round, device, mark, examples, loss, body[_UPDATE.size :])


def _sealed(body: bytes) -> bytes:
    return body + _CRC.pack(zlib.crc32(body))


def _opened(message: bytes, mark: bytes, head: int, what: str) -> bytes:
    """The message without its checksum."""
    body, seal = bytes(message[: -_CRC.size]), bytes(message[-_CRC.size :])
    if len(body) < head or body[:4] != mark:
        raise StateError(f"{len(message)} bytes are not {what} of a fleet")
    if _CRC.pack(zlib.crc32(body)) != seal:
        raise StateError(f"{what} is damaged: its checksum is wrong")
    if (version := struct.unpack_from("<I", body, 4)[0]) != VERSION:
        raise StateError(f"{what} has format version {version}; allowed: {VERSION}")
    return body


def join(parts: list[bytes]) -> bytes:
    """Several payloads as one."""
    return b"".join(_CRC.pack(len(part)) + part for part in parts)


def split(payload: bytes) -> list[bytes]:
    """The payloads that `join` joined; raises StateError."""
    parts, at = [], 0
    while at < len(payload):
        size = _CRC.unpack_from(payload, at)[0] if at + _CRC.size <= len(payload) else len(payload)
        at += _CRC.size
        if at + size > len(payload):
            raise StateError("a payload is cut short")
        parts.append(payload[at : at + size])
        at += size
    return parts
