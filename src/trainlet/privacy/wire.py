"""A message as bytes, and back.

Of each parameter: the coding of the values, the coding of the indices, the number of values
(uint32, little-endian), the scale (float32) if the coding has one, the indices, and the values.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainlet.errors import DataError
from trainlet.privacy.message import BITS, HEADER, SCALED, Message, Part

CODINGS = tuple(BITS)
ADDRESSES = {0: "", 16: "<u2", 32: "<u4", 1: "bits"}


def encode(message: Message) -> bytes:
    """All parts in their order; `decode` needs the shapes in the same order."""
    return b"".join(_encoded(part) for part in message.parts.values())


def decode(blob: bytes, shapes: Mapping[str, tuple[int, ...]]) -> Message:
    """The message of these parameters.

    Raises DataError for bytes that `encode` does not write for these shapes, and for values that
    are not finite: the blob may come from anybody.
    """
    parts, at = {}, 0
    for name, shape in shapes.items():
        try:
            parts[name] = _decoded(blob[at:], tuple(shape))
        except (struct.error, ValueError, IndexError) as error:
            raise DataError(
                f"the message is damaged at byte {at}, in {name!r} of shape {tuple(shape)}: {error}"
            ) from error
        at += parts[name].nbytes
    if at != len(blob):
        raise DataError(f"the message has {len(blob)} bytes; allowed: {at} for these parameters")
    return Message(parts)


def _encoded(part: Part) -> bytes:
    head = struct.pack("<BBI", CODINGS.index(part.coding), part.addressing, len(part.values))
    scale = b""
    if part.coding in SCALED:
        scale = struct.pack("<f", part.scale)
    indices = b""
    if part.addressing == 1:
        indices = np.packbits(part.sent()).tobytes()
    elif part.indices is not None:
        indices = part.indices.astype(ADDRESSES[part.addressing]).tobytes()
    return head + scale + indices + _values(part).tobytes()


def _values(part: Part) -> NDArray:
    if part.coding == "sign":
        return np.packbits(part.values < 0)
    if part.coding == "int8":
        return np.rint(part.values / (part.scale or 1.0)).astype(np.int8)
    return part.values.astype("<f2" if part.coding == "float16" else "<f4")


def _decoded(blob: bytes, shape: tuple[int, ...]) -> Part:
    coding, addressing, count = struct.unpack_from("<BBI", blob)
    whole = Part(shape, np.zeros(0, np.float32))
    if coding >= len(CODINGS) or addressing not in ADDRESSES or count > whole.size:
        raise ValueError(f"coding {coding}, indices of {addressing} bits, {count} values")
    at, scale = HEADER, 1.0
    if CODINGS[coding] in SCALED:
        (scale,) = struct.unpack_from("<f", blob, at)
        at += 4
    indices, used = _indices(blob[at:], whole.size, addressing, count)
    with np.errstate(all="ignore"):
        values = _read_values(blob[at + used :], CODINGS[coding], count) * np.float32(scale)
    if not np.isfinite(values).all():
        raise ValueError("a value is NaN or infinity")
    part = Part(shape, values.astype(np.float32), indices, CODINGS[coding], scale)
    if part.addressing != addressing:
        raise ValueError(f"indices of {addressing} bits where {part.addressing} are shorter")
    return part


def _indices(blob: bytes, size: int, addressing: int, count: int) -> tuple[NDArray | None, int]:
    """The coordinates, and how many bytes they take."""
    if addressing == 0:
        if count != size:
            raise ValueError(f"{count} values without indices, of {size}")
        return None, 0
    if addressing == 1:
        used = -(-size // 8)
        bits = np.unpackbits(np.frombuffer(blob, np.uint8, used), count=size)
        found = np.flatnonzero(bits)
    else:
        found = np.frombuffer(blob, ADDRESSES[addressing], count).astype(np.int64)
        used = count * addressing // 8
    ascending = bool((np.diff(found) > 0).all()) and (not len(found) or found[-1] < size)
    if len(found) != count or not ascending:
        raise ValueError(f"{len(found)} indices for {count} values, ascending and below {size}")
    return found, used


def _read_values(blob: bytes, coding: str, count: int) -> NDArray:
    if coding == "sign":
        raw = np.frombuffer(blob, np.uint8, -(-count // 8))
        return np.where(np.unpackbits(raw, count=count), -1.0, 1.0).astype(np.float32)
    kind = {"int8": "i1", "float16": "<f2", "float32": "<f4"}[coding]
    return np.frombuffer(blob, kind, count).astype(np.float32)
