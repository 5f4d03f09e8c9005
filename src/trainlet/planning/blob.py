"""The trained state as bytes: what lies where, which values it may hold, and whose it is.

A blob is a header of four words (magic, version, fingerprint, bytes of the state), the state as it
lies in the C struct, and a CRC-32 of both.  The fingerprint is of the layout alone, so a state
survives new frozen weights, learning rates, losses and targets.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trainlet.errors import StateError
from trainlet.ir.graph import Node
from trainlet.ir.roles import TABLE_OF
from trainlet.ir.storage import storage

MAGIC, VERSION = 0x4C4E5254, 2
HEADER = struct.Struct("<4I")
COUNTER = struct.Struct("<2I")
CHECKSUM = struct.Struct("<I")
WORD = 4
WITHIN = "within"
"""The attribute of a leaf whose values have bounds: (least, most), None for no bound."""


@dataclass(frozen=True)
class Saved:
    """arrays:  by leaf name, as the device keeps them
    pending: steps whose gradients are summed but not applied
    """

    arrays: Mapping[str, np.ndarray]
    pending: int = 0


@dataclass(frozen=True)
class Layout:
    """leaves:     all that training changes, in the order of the C struct
    accumulate: steps whose gradients make one update; above 1, the state begins with two
                counters: pending steps, and `accumulate` itself
    """

    leaves: tuple[Node, ...]
    accumulate: int = 1

    @staticmethod
    def of(leaves: tuple[Node, ...], accumulate: int) -> Layout:
        """float32 leaves first, then other words, then bytes; otherwise as they are given."""

        def rank(n: Node) -> tuple[int, bool]:
            return -np.dtype(n.type.dtype).itemsize, n.type.dtype != "float32"

        return Layout(tuple(sorted(leaves, key=rank)), accumulate)

    @property
    def counter_bytes(self) -> int:
        return COUNTER.size if self.accumulate > 1 else 0

    @cached_property
    def start(self) -> dict[str, int]:
        """The first byte of each leaf in the state."""
        at, table = self.counter_bytes, {}
        for n in self.leaves:
            table[n.name], at = at, at + n.type.nbytes
        return table

    def runs(self, leaves: Iterable[Node]) -> list[tuple[int, int]]:
        """First byte and number of float32 values, of those of these leaves that lie together."""
        chosen = {n.name for n in leaves if n.type.dtype == "float32"}
        found: list[tuple[int, int]] = []
        for n in self.leaves:
            at, last = self.start[n.name], found[-1] if found else (-1, 0)
            if n.name in chosen and last[0] + 4 * last[1] == at:
                found[-1] = last[0], last[1] + n.type.size
            elif n.name in chosen:
                found.append((at, n.type.size))
        return found

    @cached_property
    def state_bytes(self) -> int:
        size = self.counter_bytes + sum(n.type.nbytes for n in self.leaves)
        return -(-size // WORD) * WORD

    @property
    def blob_bytes(self) -> int:
        return HEADER.size + self.state_bytes + CHECKSUM.size

    @cached_property
    def fingerprint(self) -> int:
        """Of names, shapes, types and what gives the numbers their meaning: quantisation, layout,
        folded offsets.  Leaves of optimisers differ by name, so it tells optimisers apart."""
        described = [describe_leaf(n) for n in self.leaves]
        text = json.dumps([self.accumulate > 1, described], sort_keys=True)
        return zlib.crc32(text.encode())

    def pack(self, saved: Saved) -> bytes:
        """The blob of a state."""
        counter = COUNTER.pack(saved.pending, self.accumulate) if self.accumulate > 1 else b""
        payload = b"".join(saved.arrays[n.name].astype(n.type.dtype).tobytes() for n in self.leaves)
        head = HEADER.pack(MAGIC, VERSION, self.fingerprint, self.state_bytes)
        body = head + (counter + payload).ljust(self.state_bytes, b"\0")
        return body + CHECKSUM.pack(zlib.crc32(body))

    def unpack(self, blob: bytes) -> Saved:
        """The state in a blob.

        Raises StateError where a blob is damaged or of another layout, or holds what training
        cannot make: NaN, infinity, a count beyond `accumulate`, a negative second moment.
        """
        check_length(blob, self.blob_bytes)
        body = checked(blob)
        if HEADER.unpack_from(body)[2] != self.fingerprint:
            raise StateError(
                "the saved state belongs to a program whose state has another layout (parameters, "
                "shapes, precision or optimiser); nothing changed; `trainlet state convert` "
                "converts what fits"
            )
        arrays = {n.name: self._array(n, body) for n in self.leaves}
        for n in self.leaves:
            check_values(n, arrays[n.name])
        return Saved(arrays, *self._counted(body))

    def _array(self, n: Node, body: bytes) -> np.ndarray:
        at = HEADER.size + self.start[n.name]
        flat = np.frombuffer(body, n.type.dtype, n.type.size, at)
        return flat.reshape(n.type.shape).copy()

    def _counted(self, body: bytes) -> tuple[int, ...]:
        """The pending steps, where there is a count."""
        if self.accumulate == 1:
            return ()
        pending, of = COUNTER.unpack_from(body, HEADER.size)
        if pending >= self.accumulate or (pending and of != self.accumulate):
            raise StateError(
                f"the saved state has the gradients of {pending} steps of {of} pending; this "
                f"program averages {self.accumulate}; nothing changed; save right after an update"
            )
        return (pending,)


def check_length(blob: bytes, wanted: int) -> None:
    """Raise StateError unless a blob has this length in bytes."""
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise StateError(f"a saved state is bytes, found {type(blob).__name__}; nothing changed")
    if len(blob) != wanted:
        raise StateError(
            f"the saved state has {len(blob)} bytes, this program's has {wanted}; it is truncated "
            "or belongs to another program; nothing changed"
        )


def checked(blob: bytes) -> bytes:
    """Header and state of a blob that is whole; raises StateError."""
    given = bytes(blob)
    if len(given) < HEADER.size + CHECKSUM.size or HEADER.unpack_from(given)[0] != MAGIC:
        raise StateError(
            f"{len(given)} bytes are not the saved state of a trainer; nothing changed; "
            "save it again"
        )
    _, version, _, size = HEADER.unpack_from(given)
    if version != VERSION:
        raise StateError(
            f"the saved state has format version {version}; allowed: {VERSION}; nothing changed; "
            "save it with a program of this version of Trainlet"
        )
    whole = HEADER.size + size + CHECKSUM.size
    if len(given) != whole:
        raise StateError(
            f"the saved state has {len(given)} bytes, its header says {whole}: it is truncated or "
            "damaged; nothing changed"
        )
    body = given[: -CHECKSUM.size]
    if CHECKSUM.pack(zlib.crc32(body)) != given[-CHECKSUM.size :]:
        raise StateError("the saved state is damaged (its checksum is wrong); nothing changed")
    return body


def check_values(leaf: Node, array: np.ndarray) -> None:
    """Raise StateError unless a leaf's values are finite and within its bounds, or those of a table
    of channels."""
    count = leaf.attrs.get(TABLE_OF)
    if count is not None and not (
        array[0] >= 0 and array[-1] < count and (np.diff(array.astype(np.int64)) > 0).all()
    ):
        raise StateError(f"{leaf.name!r} holds {array.tolist()}; possible: ascending numbers in "
                         f"0..{count - 1}; nothing changed")  # fmt: skip
    if leaf.type.dtype != "float32":
        return
    if not np.isfinite(array).all():
        raise StateError(f"{leaf.name!r} holds NaN or infinity; nothing changed")
    least, most = leaf.attrs.get(WITHIN, (None, None))
    if (least is not None and array.min() < least) or (most is not None and array.max() > most):
        bounds = f"{'' if least is None else least}..{'' if most is None else most}"
        raise StateError(
            f"{leaf.name!r} holds {array.min():g}..{array.max():g}; possible: {bounds}; nothing "
            "changed"
        )


def describe_leaf(n: Node) -> dict[str, Any]:
    """What a leaf is, in JSON's terms: all that gives its bytes a meaning."""
    how = asdict(storage(n))
    for rare in ("orders", "channels", "delta"):
        if how[rare] is None:
            del how[rare]
    return {"name": n.name, "kind": n.op, "type": asdict(n.type), "storage": how}
