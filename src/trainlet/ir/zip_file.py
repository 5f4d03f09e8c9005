"""Opening a zip file whose list of contents may be huge."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainlet.errors import FileError
from trainlet.ir.files import open_file

DIRECTORY_BYTES = 8 << 20
"""Of the list of contents: an entry takes 46 bytes and its name."""

_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_IN_ZIP64 = 0xFFFFFFFF  # the record of zip64 has the size
_TAIL = 66_000  # the end record with the longest comment, and what zip64 puts before it


@contextmanager
def open_zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """The archive in a regular file.

    Raises FileError for a file that cannot be opened and for a list of contents of over
    DIRECTORY_BYTES; what zipfile raises of damaged bytes is left to the caller.
    """
    with open_file(path) as file:
        size = _directory_bytes(file)
        if size > DIRECTORY_BYTES:
            raise FileError(f"{path}: its list of contents takes {size:,} bytes; "
                            f"allowed: at most {DIRECTORY_BYTES:,}")  # fmt: skip
        with zipfile.ZipFile(file) as archive:
            yield archive


def _directory_bytes(file: BinaryIO) -> int:
    """The largest size that any end record tells: a hostile file may have several."""
    file.seek(max(0, file.seek(0, 2) - _TAIL))
    tail = file.read()
    file.seek(0)
    short = [size for size in _sizes(tail, _END, 12, "<I") if size != _IN_ZIP64]
    return max((*short, *_sizes(tail, _END64, 40, "<Q")), default=0)


def _sizes(tail: bytes, signature: bytes, offset: int, form: str) -> Iterator[int]:
    at = tail.find(signature)
    while at >= 0:
        field = tail[at + offset : at + offset + struct.calcsize(form)]
        if len(field) == struct.calcsize(form):
            yield struct.unpack(form, field)[0]
        at = tail.find(signature, at + 1)
