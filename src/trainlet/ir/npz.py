"""Reading an .npz file without trusting it: no pickles, and no array larger than it may be.

A file of 20 MB may say that it unpacks to 20 GB, or hold a header that promises more than
follows, so both sizes are looked at before anything is unpacked.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from trainlet.errors import DataError, TrainletError
from trainlet.ir.bounds import FILE_BYTES
from trainlet.ir.zip_file import open_zip

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file, or all of them.

    Raises FileError for a file that is absent, no regular file or too large, DataError for one
    that is damaged or lacks a name.
    """
    try:
        with open_zip(path) as archive:
            return _arrays(path, archive, names)
    except TrainletError:
        raise
    except Exception as error:  # hostile bytes make the readers raise nearly anything
        raise DataError(f"{path}: is not a readable .npz file ({_short(error)})") from None


def _arrays(
    path: str | Path, archive: zipfile.ZipFile, names: Sequence[str] | None
) -> dict[str, np.ndarray]:
    members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
    wanted = list(members) if names is None else list(names)
    missing = [name for name in wanted if name not in members]
    if missing:
        shown = ", ".join(list(members)[:20]) or "nothing"
        raise DataError(f"{path}: {missing[0]!r} is missing; needed: {', '.join(wanted)}; found: "
                        f"{shown}; write it with numpy.savez")  # fmt: skip
    total = sum(members[name].file_size for name in wanted)
    FILE_BYTES.check(total, f"{path}: the arrays unpacked", DataError)
    return {name: _array(archive, members[name]) for name in wanted}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename} has format {version}")
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects, which can run code")
        promised, left = prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if promised != left or min(shape, default=0) < 0:
            raise ValueError(f"{member.filename}: {dtype} {shape} is not {left} bytes")
        content = _content(stream, promised)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _content(stream: IO[bytes], size: int) -> bytearray:
    """Exactly `size` bytes, the rest of the stream."""
    content = bytearray(size)
    at = 0
    while chunk := stream.read(1 << 24):
        if at + len(chunk) > size:
            raise ValueError("it contains more than its header says")
        content[at : at + len(chunk)] = chunk
        at += len(chunk)
    if at != size:
        raise EOFError("it ends early")
    return content


def _short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, (ValueError, OSError, zipfile.BadZipFile, zlib.error)) else (
        f"{type(error).__name__}: {text}")  # fmt: skip
