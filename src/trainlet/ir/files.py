"""The one way in which a file that a user names is opened.

Opening a pipe waits for a writer, a device such as /dev/zero never ends, and reading either may
have effects: only regular files are opened, and no more than a bound is read of them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from trainlet.errors import FileError, shown
from trainlet.ir.bounds import FILE_BYTES

PIECE = 1 << 20
_OTHERS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: str | Path) -> BinaryIO:
    """A regular file, opened for reading bytes.

    Raises FileError for one that is absent, of another kind, or larger than FILE_BYTES.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        _check(path, os.stat(path))
        descriptor = os.open(path, flags)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (TypeError, ValueError) as error:  # no path at all, or with a NUL in it
        raise FileError(f"{shown(path)} is not the path of a file: {error}") from None
    file = os.fdopen(descriptor, "rb")
    try:
        _check(path, os.fstat(descriptor))  # what is read may not be what was looked at
    except BaseException:
        file.close()
        raise
    return file


def read_file(path: str | Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, at most `most` of them.  Raises FileError as open_file does."""
    with open_file(path) as file:
        limit = FILE_BYTES.value if most is None else most
        pieces, left = [], limit + 1
        try:
            # one read of `limit` bytes would take that memory for a small file too
            while left and (piece := file.read(min(left, PIECE))):
                pieces.append(piece)
                left -= len(piece)
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not left:
        raise FileError(f"{path}: larger than the limit of {limit:,} bytes")
    return b"".join(pieces)


def _check(path: str | Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _OTHERS.get(stat.S_IFMT(found.st_mode), "of an unknown kind")
        raise FileError(f"{path}: is {kind}; cannot be read; allowed: a regular file")
    FILE_BYTES.check(found.st_size, str(path))
